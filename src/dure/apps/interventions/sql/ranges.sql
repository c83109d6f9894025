-- The first user of every so many, in order: where ranges of users begin. Index: the users' key.
select u.id from (
    select t.{id} as id, row_number() over (order by t.{id}) as n from {users} t where {tenant}
) u
where u.n %% %(size)s = 1 or %(size)s = 1
order by u.id
