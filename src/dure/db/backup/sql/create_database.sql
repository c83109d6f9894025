-- An empty one: what somebody put into template1 is not wanted.
create database {} template template0
