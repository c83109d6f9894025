-- Makes partitions for the days to come and drops those whose day has come. Waits for no lock longer than 200 ms.
select dure.keep_channels()
