-- Statements that PostgreSQL's grammar has and the engine has not: each must be an SqlError that says so.
explain select 1
explain (analyze) select * from f
prepare p as select $1
prepare p (int) as select $1
execute p (1)
deallocate p
discard all
declare c cursor for select 1
fetch all from c
close c
close all
move 1 in c
create table c1 as select 1
select 1 into c2
create index on f (a)
create unique index concurrently fi on f using btree (a desc nulls last, (a + 1)) where a > 1
create view v as select 1
create materialized view mv as select 1
create sequence s
create schema x
create function fn() returns int language sql as 'select 1'
create trigger tr before insert on f for each row execute function fn()
create role r
create user u password 'x'
create database d
create extension hstore
create type e as enum ('a', 'b')
create type ct as (a int)
create domain d as int check (value > 0)
create temp table tt (a int)
create unlogged table ut (a int)
create table c3 (a int primary key)
create table c3 (a int unique)
create table c3 (a int check (a > 1))
create table c3 (a int references f (a))
create table c3 (a int default 1)
create table c3 (a serial)
create table c3 (a int generated always as identity)
create table c3 (a int generated always as (1) stored)
create table c3 (a int, primary key (a))
create table c3 (a int, check (a > 1))
create table c3 (like f)
create table c3 (a int) inherits (f)
create table c3 (a int) partition by range (a)
create table c3 partition of f for values from (1) to (2)
create table c3 of ct
create table c3 (a int) tablespace pg_default
create table c3 (a int) on commit drop
create table c3 (a int) using heap
create table c3 (a int[])
create table c3 (a json, b uuid, c interval)
create table c3 (a numeric(10, 2))
create table c3 (a text collate "C")
create table c3 (a int) with (fillfactor = 'x')
create table c3 (a int) with (autovacuum_enabled = false)
create table c3 (a int constraint foo not null)
alter table f add column z int
alter table f rename to g
alter table f add primary key (a)
alter system set work_mem = 1
alter role postgres password 'x'
alter database postgres set x = 1
drop index fi
drop view v
drop schema x
drop function fn
drop role r
drop database d
drop sequence s
drop owned by x
truncate f
copy f from stdin
copy f to stdout
copy (select 1) to stdout
comment on table f is 'x'
grant select on f to public
revoke all on f from public
do 'begin end'
call fn()
listen x
notify x
unlisten *
load 'x'
reindex table f
cluster f
refresh materialized view mv
reassign owned by a to b
security label on table f is 'x'
set constraints all deferred
set session authorization postgres
set role postgres
set time zone 'UTC'
set time zone interval '1' hour
set xml option document
set names 'utf8'
savepoint s
release s
rollback to s
prepare transaction 'x'
commit prepared 'x'
rollback prepared 'x'
begin isolation level serializable
begin transaction deferrable
start transaction isolation level serializable, read only
set transaction isolation level serializable
set transaction snapshot 'x'
commit and chain
vacuum full f
vacuum (full) f
vacuum (nosuch) f
vacuum analyze f
analyze
analyze f (a)
merge into f using f as g on f.a = g.a when matched then delete
import foreign schema x from server y into z
create foreign table ft (a int) server y
create server y foreign data wrapper z
create publication p
create subscription s connection 'x' publication p
create policy p on f
create rule r as on insert to f do nothing
create operator === (leftarg = int, rightarg = int, function = int4eq)
create aggregate agg (int) (sfunc = int4pl, stype = int)
create cast (int as text) with function x(int)
create collation c (locale = 'C')
create text search configuration x (copy = simple)
create statistics st on a, b from f
create tablespace ts location '/x'
create access method am type index handler x
create event trigger et on ddl_command_start execute function x()
create language l
create transform for int language sql (from sql with function x(internal))
create conversion c for 'UTF8' to 'LATIN1' from x
select * from f for update
select * from f for share nowait
select * from f for no key update skip locked
with x as (select 1) select * from x
with recursive x as (select 1 union all select 1) select * from x
with x as (insert into f values (1) returning *) select * from x
select row_number() over () from f
select sum(a) over (partition by b order by a rows between 1 preceding and current row) from f
select sum(a) over w from f window w as (partition by b)
select percentile_cont(0.5) within group (order by a) from f
select distinct on (a) a, b from f
select a from f group by rollup (a)
select a from f group by cube (a, b)
select a from f group by grouping sets ((a), (b))
select grouping(a) from f group by a
select a from f group by distinct a
select * from f tablesample system (10)
select * from f a full join f b on a.a = b.a
select * from f a, lateral (select a.a) b
select * from (f a join f b on true) as x
select * from rows from (generate_series(1, 2), generate_series(1, 3))
select * from json_to_record('{}') as x (a int)
select * from xmltable('/x' passing '<x/>' columns a int)
select * from generate_series(1, 2) as x (a int)
select f from f
select f.* is null from f
select (f).a from f
select array[1, 2]
select array[1, 2][1]
select array(select 1)
select '{1}'::int[]
select 1 = any ('{1}')
select 1 = any (select 1)
select 1 > all (select 1)
select (1, 2) = (1, 2)
select (1, 2) in ((1, 2))
select (1, 2) in (select 1, 2)
select row(1, 2) is null
select (select a from f g where g.a = f.a) from f
select * from f where exists (select 1 from f g where g.a = f.a)
select '1 day'::interval, now() + '1 day'
select now() - now()
select date '2020-01-01' + 1
select extract(year from now())
select current_time
select localtimestamp is not null
select to_char(now(), 'x')
select b'101', x'1F'
select 'a' collate "de_DE"
select 'a' similar to 'b'
select xmlelement(name x)
select json_object('a': 1)
select make_interval(days => 1)
select concat(variadic array['a'])
select nullif(row(1), row(1))
select coalesce(row(1), row(2))
select greatest(row(1))
select case row(1) when row(1) then 1 end
select overlaps(1, 2, 3, 4)
select (now(), now()) overlaps (now(), now())
select now() at time zone 'utc'
select * from f where current of c
select 1 from f order by a using nosuch
select 1 fetch first 1 row with ties
select 1 from f order by a fetch first 1 row with ties
select a[1] from f
select a.b.c.d.e from f
select db.public.f.a from f
select * from db.public.f
select f.a.b from f
insert into f values (1) on conflict do nothing
insert into f values (1) on conflict (a) do update set a = 1
insert into f overriding system value values (1)
with x as (select 1) insert into f select 1
insert into f (a[1]) values (1)
insert into f (a.b) values (1)
insert into f select * from f union select 1, 'x'
insert into f values (1, 'x') returning f
update f set a = 1 from f g where g.a = f.a
update f set (a, b) = (select 1, 'x')
update f set a[1] = 1
update only f set a = 1
update f set a = default, b = default
with x as (select 1) update f set a = 1
update f set a = (select g.a from f g where g.a = f.a)
delete from f using f g where g.a = f.a
with x as (select 1) delete from f
delete from f where current of c
insert into pg_class values (1)
update pg_settings set setting = 'x'
delete from pg_stat_activity
insert into pg_settings values ('x')
drop table pg_settings
lock table nosuch
select 1; select nosuch
select generate_series(1, 3) + 1
select a from f where generate_series(1, 3) = 1
select a from f order by generate_series(1, 3)
select sum(generate_series(1, 3))
select upper(generate_series(1, 3)::text)
values (generate_series(1, 3))
select count(*) from f limit generate_series(1, 2)
select upper(distinct 'x')
select upper('x') filter (where true)
select upper('x' order by 1)
select count(distinct *) from f
select count(*, 1)
select string_agg('a')
select $0
select $1
select $70000
select ''::regclass
select 'nosuch'::regclass
select '1'::regclass
select 'a.b.c'::regclass
select "select"
select 1 as "weird ""name"""
select 1::int4(5)
select 'a'::varchar(0)
select 'a'::varchar(1, 2)
select 'a'::varchar(99999999)
select 1::numeric(0)
select 1::numeric(10, 2, 3)
select 1::numeric(5, 2000)
select 1::"char"
select 'x'::cstring
select 'x'::record
select 1::void
select null::anyelement
select 'x'::unknown
select pg_sleep('x')
select set_config('nosuch', 'x', false), set_config(null, 'x', false)
select set_config('application_name', null, false)
select chr(0), chr(-1), chr(2000000)
select repeat('x', 2000000000)
select lpad('x', 2000000000, 'y')
select 10 ^ 1000
select 10.0 ^ 1000000
select 1e200000
select 'x' ~ '('
select 'a' like 'a\'
select 'a' like 'b' escape 'xy'
select '1e99999'::numeric
select exp(10000.0)
select ln(0), ln(-1.0)
select power(0, -1), power(-1, 0.5)
select 9223372036854775807::float4::int8
select 'infinity'::float8::int
select 'NaN'::numeric::int
select 'NaN'::numeric::float4, 'Infinity'::numeric::int8
select 1e40::float8::float4
select mod(1.5, 0), div(1, 0)
select round(1.5, 100000), trunc(1.5, -100000), round('NaN'::numeric, 2)
select generate_series(1.0, 'NaN'::numeric)
select 1 << 100, 1::int8 << 100, 1::int2 << 20
select substr('x', 2147483647, 2147483647), substr('x', -2147483648)
select left('x', -2147483648), right('x', -2147483648)
select split_part('x', 'y', 0)
select to_hex(-1), to_hex(-1::bigint)
select pg_cancel_backend(1), pg_terminate_backend(1)
select pg_get_userbyid(10), pg_get_userbyid(11), pg_table_is_visible(1), format_type(1, 2)
select obj_description(1), obj_description(1, 'pg_class')
select current_setting(null), current_setting('work_mem', null)
select '2020-13-45'::timestamp
select '99999-01-01'::timestamp
select 'x'::timestamptz, 'x'::date
select 'infinity'::timestamp, '-infinity'::timestamptz, 'epoch'::timestamp
select '(1,2)'::tid, '(x)'::tid
select '\xzz'::bytea
select 'a\x'::bytea
select xid8 '5', '5'::xid8::xid
