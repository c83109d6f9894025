-- Takes over another transaction's snapshot.
set transaction snapshot {snapshot}
