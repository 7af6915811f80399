-- Statements that must have the same answer here and in PostgreSQL 15; one per line.
-- The answer: tag, column names and types, rows as text; or SQLSTATE, message, position.

-- constants and their types
select 1
select 1, -1, 2147483647, 2147483648, -2147483648, 9223372036854775807, 9223372036854775808
select 'a', null, true, false, 1.5, 1e3, 1.50, .5, 5., 0.000001
select 1 as one, 'x' as "Two", 3 three
select
select 'it''s', E'a\nb', $$dollar$$, 'é', U&'\0061'
select 1 a, 2 a
-- integer arithmetic
select 1+1, 2-3, 4*5, 7/2, -7/2, 7%3, -7%3, 7%-3
select 2147483647 + 1
select 2147483647::int + 1::bigint
select -2147483648 - 1
select 65536 * 65536
select 9223372036854775807 + 1
select 9223372036854775807 * 2
select (-2147483648)::int / -1
select 1/0
select 1%0
select 1.0/0
select 32767::smallint + 1::smallint
select 32767::smallint + 1
select 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 4, 256 >> 2
select -5, +5, - -5, @ -5
select 2 ^ 10, 2 ^ 0.5, |/ 16
select 1 + 2 * 3, (1 + 2) * 3, 10 - 2 - 3
select abs(-5), abs(-5.5), abs((-32768)::smallint)
select mod(10, 3), mod(-10, 3), div(7.5, 2)
select gcd(12, 18)
-- numeric
select 1.5 + 2.25, 1.5 * 2.25, 1.10 - 0.1, 10 / 4.0, 1 / 3.0, 2.0 / 3
select 10.0 / 3, 100000.0 / 3, 1 / 3.0 * 3, 7 % 2.5
select 1e10, 1.5e-3, 12345678901234567890.123
select round(2.5), round(-2.5), round(2.345, 2), round(1234.5, -2), trunc(2.9), trunc(-2.99, 1)
select abs(-123456789012345678901234567890123.5), @ -123456789012345678901234567890123.5
select 123456789012345678901234567890.5 + 1, 123456789012345678901234567890.5 * 3, -123456789012345678901234567890123.25
select ceil(1.2), floor(-1.2), ceiling(1.0), sign(-3.2)
select 1.5::int, 2.5::int, -1.5::int, 1e10::int
select 123.456::numeric(5,2), 123.456::numeric(4,1), 99.99::numeric(3,1)
select 'NaN'::numeric, 'Infinity'::numeric, '-inf'::numeric
select 'NaN'::numeric = 'NaN'::numeric, 'NaN'::numeric > 1000
select 0.1 + 0.2 = 0.3
select avg(x), sum(x) from (values (1), (2), (4)) v(x)
select avg(x), sum(x) from (values (1.5), (2.25)) v(x)
select avg(x) from (values (1000000), (2000001)) v(x)
select sum(x) from (values (9223372036854775807), (1)) v(x)
select sum(x::smallint), avg(x::smallint), min(x::smallint), max(x::smallint) from (values (1), (2)) v(x)
select 5000000000 / 7, 5000000000.0 / 7, 0.00001 / 3
-- floats
select 1.5::float8, 1::float8 / 3, 1e15::float8, 1e14::float8, 1e-4::float8, 1e-5::float8, 123456789.123::float8
select 1.5::float4, 1::float4 / 3, 1e6::float4, 123456.7::float4, 1e-5::float4
select 'NaN'::float8, 'Infinity'::float8, '-Infinity'::float8, '-0'::float8
select 'NaN'::float8 = 'NaN'::float8, 'NaN'::float8 > 'Infinity'::float8
select 1e308::float8 * 10
select 1::float8 / 0
select 2.5::float8::int, 3.5::float8::int, -2.5::float8::int
select sqrt(2), sqrt(16.0::float8), power(2, 10), exp(0::float8), ln(1::float8)
select sqrt(-1)
select sqrt(2.0), sqrt(1000000.5), 2.0 ^ 0.5, 2.5 ^ 3, 10.0 ^ -3, exp(1.0), ln(2.0), ln(1000.5), log(100.0), power(2.0, 100)
select '1e400'::float8
select 'abc'::float8
select 0.1::float8 + 0.2::float8, 0.1::float4 + 0.2::float4
select 100::float8, 1e22::float8, 12345678912345678::float8
select 1.1::float8::numeric, 1.1::float4::numeric, 1.1::numeric::float8
select avg(x::float8), sum(x::float8) from (values (1), (2)) v(x)
-- text
select 'a' || 'b', 'a' || 1, 1 || 'a', 'a' || null, 'a' || 1.50
select 1 || 2
select length('abc'), length('é'), octet_length('é'), char_length('x'), length('')
select upper('abc'), lower('ABC'), initcap('hello world')
select substr('hello', 2), substr('hello', 2, 3), substring('hello' from 2 for 3), substr('hello', -1, 3), substring('hello', 0)
select substr('hello', 2, -1)
select left('hello', 2), right('hello', 2), left('hello', -2), right('hello', -2)
select replace('hello', 'l', 'L'), repeat('ab', 3), reverse('abc')
select strpos('hello', 'l'), position('l' in 'hello'), position('z' in 'hello')
select trim('  a  '), ltrim('  a'), rtrim('a  '), btrim('xxaxx', 'x'), trim(both 'x' from 'xax'), trim(leading from '  a')
select lpad('a', 3), lpad('a', 3, 'xy'), rpad('a', 3, 'xy'), lpad('abc', 2)
select split_part('a,b,c', ',', 2), split_part('a,b,c', ',', -1), split_part('a,b,c', ',', 5)
select translate('12345', '143', 'ax'), ascii('a'), chr(65), md5('a'), to_hex(255)
select concat('a', 1, null, true, 1.5), concat_ws(',', 'a', null, 'b')
select 'abc' like 'a%', 'abc' like '_b_', 'abc' like 'b%', 'a%c' like 'a\%c', 'abc' not like 'a%', 'ABC' ilike 'abc'
select 'abc' like 'a!%' escape '!', 'a%' like 'a!%' escape '!'
select 'abc' ~ 'b', 'abc' !~ 'b', 'ABC' ~* 'b', 'abc' ~ '^a.c$'
select 'a' < 'b', 'a' < 'B', 'abc' < 'abcd', 'a' = 'a ', '' = ''
select 'a'::varchar(3), 'abcdef'::varchar(3), 'ab'::char(4), 'abcdef'::char(3), length('ab'::char(4))
select 'ab'::char(4) || 'x', 'ab'::char(4) = 'ab'
select quote_literal('it''s'), quote_ident('Foo'), quote_ident('foo')
select starts_with('abc', 'ab')
select 'x'::name, 'abc'::"char"
-- booleans and nulls
select true and false, true or false, not true, null and false, null or true, null and true
select true and null, not null::bool
select 1 = 1, 1 <> 2, 1 != 2, 1 < 2, 1 <= 1, 2 > 1, 2 >= 3
select null = null, null is null, 1 is null, 1 is not null, null is not null
select true is true, null is true, false is not true, null::bool is unknown, true is not unknown, false is false
select 1 is distinct from null, null is distinct from null, 1 is not distinct from 1, 1 is distinct from 2
select 't'::bool, 'yes'::bool, 'off'::bool, '0'::bool, ' TRUE '::bool
select 'maybe'::bool
select 1::bool, 0::bool, true::int, true::text, false::varchar
select 1.5::bool
select true > false, true = 't'
select coalesce(null, 1), coalesce(null, null), coalesce(null, 'a', 'b'), coalesce(1, 2.5)
select coalesce(1, 'a')
select coalesce(1, true)
select nullif(1, 1), nullif(1, 2), nullif('a', 'b'), nullif(1, 2.0)
select greatest(1, 2, 3), least(1, 2, 3), greatest(1, null, 2.5), least('a', 'b')
select case when true then 1 end, case when false then 1 end, case when null then 1 else 2 end
select case 1 when 1 then 'a' when 2 then 'b' end, case 3 when 1 then 'a' else 'z' end
select case when 1 then 2 end
select case when true then 1 else 'a' end
select case when true then 1 else 2.5 end, case when false then 1 else 2::bigint end
select case when true then 1 else true end
-- IN, BETWEEN
select 1 in (1, 2), 3 in (1, 2), 1 not in (1, 2), null in (1, 2), 3 in (1, null), 1 in (1, null), 3 not in (1, null)
select 'a' in ('a', 'b'), 1 in (1.5, 1), 1.0 in (1, 2)
select 1 in ('1', '2'), 'x' in ('x')
select 1 in ('a', 'b')
select 1 in (true, false)
select 2 between 1 and 3, 0 between 1 and 3, 2 not between 1 and 3, 2 between 3 and 1, 2 between symmetric 3 and 1, null between 1 and 2
select 1 = any (array[1, 2]), 3 = any (array[1, 2]), 1 < all (array[2, 3])
-- casts
select '1'::int, ' 12 '::int, '-5'::smallint, '99999999999'::bigint, 1::text, 1.5::text
select '99999999999'::int
select '40000'::smallint
select 'x'::int
select ''::int
select '1.5'::int
select 40000::smallint
select 99999999999::int
select 3000000000::int
select cast('5' as bigint), int '7', bool 't', float8 '1.5', text 'x'
select 1::oid, (-1)::oid, 4294967295::oid, '1'::xid
select 5::regtype
select 'abc'::text::varchar(2), 123::varchar(2), 123::text::int
select 123::boolean, '2020-01-01'::timestamp, '2020-01-01 12:34:56.789'::timestamp, '2020-01-01 12:00:00+02'::timestamptz
select '0/1500028'::pg_lsn, '16/B374D848'::pg_lsn - '16/B374D000'::pg_lsn, '0/0'::pg_lsn < '0/1'::pg_lsn
select 'zz'::pg_lsn
select '\x6162'::bytea, 'a\\b'::bytea, length('\x6162'::bytea)
select 1::nosuchtype
select now()::nosuchtype
select pg_typeof(1), pg_typeof('a'), pg_typeof(1.5), pg_typeof(true), pg_typeof(1::int2), pg_typeof(null), pg_typeof(now())
select int4(5.5), text(5), bool(1)
select true::bigint
select 1::timestamp
select current_date > '2000-01-01'::date
-- operators that do not exist
select 1 + 'a'
select 'a' + 'b'
select true + 1
select 1 = true
select 1 = 'a'
select 'a' = 1
select -'a'
select not 1
select 1 and true
select 1 || true
select 'a'::text + 1
select 1 like 'a'
select 1 ~ 'a'
select '1' + '2'
select 1 + '2'
select 'a' > 1.5
-- functions that do not exist or do not fit
select nosuch(1)
select nosuch()
select length(5)
select abs('x')
select abs('-5')
select upper(1)
select substr('a')
select round('a')
select mod(1, 'x')
select pg_catalog.length('abc')
select nosuch.length('abc')
select length(distinct 'a')
select length(*)
select sum(*)
select count()
select sum('a')
select max(true)
select random() between 0 and 1
select current_database() = current_catalog, current_schema, current_user = session_user, user is not null
select version() like 'PostgreSQL 15%'
select pg_is_in_recovery(), pg_backend_pid() > 0
select now() = transaction_timestamp(), clock_timestamp() >= statement_timestamp()
select pg_sleep(0)
select txid_current_if_assigned() is null
select current_setting('nosuch.setting', true)
select current_setting('nosuch_setting')
select format_type(23, -1), format_type(1043, 14), format_type(1700, 655366), format_type(25, null), format_type(null, null)
select row(1, 'a', null), row(1, true, 'x y'), (1, 2)
-- column names
select 1 + 1, 'a' || 'b', upper('a'), 1::text, 'a'::text, null::int, coalesce(1), case when true then 1 end, greatest(1), nullif(1, 2)
select true, not true, 1 = 1, 1 is null, 1 in (2), count(*), current_user, current_date is null, (select 1), exists (select 1)
select cast(1 as bigint), int '5', 'a' collate "C", -1, +1, current_timestamp is null, (select 1 as foo), case when true then upper('x') else lower('y') end
select * from (values (1, 'a')) v
select * from (values (1, 'a')) as v(x, y)
values (1, 'a'), (2, 'b')
values (1), (2.5), (null)
values (1, 2), (3)
values (1), ('a')
values (1), (true)
values (default)
table nosuch
-- syntax errors
selec 1
select 1 +
select from where
select 'abc
select "abc
select 1 2
select * from
insert into
select (1
select 1)
update t1 set
select $1 +
;;
-- tables
create table t1 (id int not null, name text, amount bigint, flag boolean, small smallint)
create table t1 (id int)
create table if not exists t1 (id int)
create table dup (a int, a text)
create table sys (ctid int)
create table bad (a nosuchtype)
create table pseudo (a record)
create table empty ()
create table nosuchschema.t (a int)
create table wf (a int) with (fillfactor = 50)
create table wb (a int) with (fillfactor = 5)
create table wb (a int) with (nosuchoption = 5)
create table vc (a varchar(3), b char(3), c varchar, d name, e "char")
create table fl (a float4, b float8, c oid, d timestamptz)
-- INSERT
insert into t1 values (1, 'one', 100, true, 1)
insert into t1 values (2, 'two', 200, false, 2), (3, 'three', null, null, 3)
insert into t1 (id) values (4)
insert into t1 (name, id) values ('five', 5), (null, 6)
insert into t1 default values
insert into t1 values (null, 'x')
insert into t1 (name) values ('x')
insert into t1 (id, id) values (1, 2)
insert into t1 (nosuch) values (1)
insert into t1 values (1, 2, 3, 4, 5, 6)
insert into t1 (id, name) values (1)
insert into t1 (id) values (1, 2)
insert into t1 values ('x')
insert into t1 values ('7', 'seven', '700', 'yes', '7')
insert into t1 (id, small) values (8, 40000)
insert into t1 (id, small) values (8, '40000')
insert into t1 (id, amount) values (8, 1.5)
insert into t1 (id, flag) values (9, 1)
insert into t1 (id, name) values (9, 1)
insert into t1 (id, flag) values (9, 'nope')
insert into t1 (id, name) values (9, true)
insert into t1 (id) values (default)
insert into t1 (id, name) values (10, default) returning *
insert into t1 (id, amount) values (11, 1100), (12, 1200) returning id, amount * 2 as twice, name is null
insert into t1 (id) select 13
insert into t1 (id, name) select g, 'g' || g from generate_series(20, 22) as g
insert into t1 (id, name) select g from generate_series(20, 22) as g
insert into t1 (id) select 'x'
insert into t1 (id, name) select id + 100, name from t1 where id < 3 returning id, name
insert into nosuch values (1)
insert into t1 (id) values (1) returning nosuch
insert into t1 (id) values (id)
insert into t1 (id) values (count(*))
insert into vc values ('abc', 'a', 'abcdef', 'n', 'xyz')
insert into vc (a) values ('abcd')
insert into vc (a) values ('abc  ')
insert into vc (b) values ('abcd')
insert into fl values (1.5, 2.5, 42, '2020-01-01 00:00:00+00'), (1, 2, 3, null)
insert into t1 as x (id, name) values (14, 'alias') returning x.id, x.name
-- SELECT
select * from t1 order by id
select id, name from t1 where id < 4 order by id
select t1.* from t1 where t1.id = 1
select t.id, t.* from t1 t where t.id = 1
select t1.id from t1 t
select nosuch from t1
select t1.nosuch from t1
select nosuch.id from t1
select * from nosuch
select * from nosuchschema.t1
select * from public.t1 where id = 2
select id from t1 where name = 'two'
select id from t1 where name is null order by id
select id from t1 where amount > 100 and flag is not true order by id
select id from t1 where flag order by id
select id from t1 where not flag order by id
select id from t1 where id
select id from t1 where 'true' and id = 1
select id from t1 where null
select id from t1 where count(*) > 1
select id from t1 where amount = 1e2
select id from t1 where amount between 100 and 200 order by 1
select id from t1 where id in (1, 2, 99) order by id
select id from t1 where id not in (1, 2, 3) and id < 7 order by id
select id from t1 where name like 't%' order by id desc
select id + 1 as next from t1 where id < 3 order by next
select id from t1 order by id limit 2
select id from t1 order by id limit 2 offset 1
select id from t1 order by id offset 13
select id from t1 order by id limit 0
select id from t1 order by id limit null
select id from t1 limit -1
select id from t1 offset -1
select id from t1 limit 'x'
select id from t1 limit id
select id from t1 limit 1.5
select id from t1 order by id fetch first 2 rows only
select name from t1 where id < 4 order by name desc
select amount from t1 where id < 5 order by amount
select amount from t1 where id < 5 order by amount desc
select amount from t1 where id < 5 order by amount nulls first
select amount from t1 where id < 5 order by amount desc nulls last
select id, name from t1 where id < 4 order by 2
select id, name from t1 where id < 4 order by 3
select id, name from t1 where id < 4 order by 0
select id from t1 where id < 4 order by name
select id from t1 where id < 4 order by -id
select id as name from t1 where id < 4 order by name
select id as x, name as x from t1 order by x
select id from t1 order by nosuch
select id from t1 order by 'x'
select id from t1 where id < 4 order by flag, id
select id from t1 where id < 4 order by id using >
select distinct flag from t1 order by flag
select distinct id % 2 from t1 where id is not null order by 1
select distinct id % 2 as m from t1 order by id
select distinct name, id from t1 where id < 3 order by id
select id, id from t1 where id = 1
select upper(name), length(name) from t1 where id = 3
select case when amount is null then 'none' when amount > 150 then 'big' else 'small' end from t1 where id < 4 order by id
select a, b, length(b), c, d, e from vc order by a
select * from fl order by c
select ctid, id from t1 where id = 1
select tableoid = 't1'::regclass from t1 where id = 1
select oid from t1
select pg_typeof(amount), pg_typeof(small), pg_typeof(flag) from t1 where id = 1
-- aggregates
select count(*), count(amount), count(distinct flag), sum(id), min(name), max(name) from t1
select sum(amount), avg(amount), min(amount), max(amount), avg(small), sum(small) from t1
select count(*) from t1 where false
select sum(id), avg(id), min(id), max(name), bool_and(flag) from t1 where false
select max(id) + 1, count(*) * 2 from t1
select bool_and(flag), bool_or(flag), every(flag) from t1
select string_agg(name, ',' order by id) from t1 where id < 4
select string_agg(name, ', ' order by name desc) from t1 where id < 4
select count(*) filter (where id > 2) from t1
select count(id) filter (where flag), count(id) filter (where not flag) from t1
select sum(distinct id % 3) from t1
select bit_and(id), bit_or(id) from t1 where id < 4
select flag, count(*) from t1 group by flag order by flag
select flag, count(*) from t1 group by 1 order by 2, 1
select id % 2 as parity, sum(id) from t1 where id < 10 group by parity order by parity
select id % 2, sum(id) from t1 where id < 10 group by id % 2 order by 1
select flag, id % 2, count(*) from t1 group by flag, id % 2 order by 1, 2
select flag from t1 group by flag having count(*) > 1 order by flag
select count(*) from t1 having count(*) > 100
select count(*) from t1 having sum(id) > 1
select id, count(*) from t1
select id from t1 group by flag
select name, count(*) from t1 group by flag
select flag, count(*) from t1 group by flag having id > 1
select flag, count(*) from t1 group by flag order by id
select count(*) from t1 group by count(*)
select sum(count(*)) from t1
select count(*) from t1 where sum(id) > 1
select count(*), id + 1 from t1 group by id + 1 having id + 1 < 4 order by 2
select id + 1 from t1 group by id having id < 3 order by id
select max(name) from t1 group by 5
select max(amount) filter (where id) from t1
select upper(name), count(*) from t1 where id < 4 group by upper(name) order by 1
select 'x', count(*) from t1 group by 1
select count(*) from (select distinct flag from t1) s
select avg(id)::int from t1 where id < 4
select t1.flag, count(*) from t1 group by t1.flag order by t1.flag
select x.flag from t1 x group by name
-- UPDATE
update t1 set amount = 1000 where id = 1
update t1 set amount = amount + 1 where id < 3
update t1 set amount = amount + 1, name = upper(name) where id = 2 returning id, name, amount
update t1 set name = null where id = 3 returning *
update t1 set id = null where id = 3
update t1 set nosuch = 1
update t1 set id = 1, id = 2
update t1 set id = 'x' where id = 1
update t1 set amount = 'x' || 'y'
update t1 set flag = 1
update t1 set small = 40000
update t1 set small = small + 32767 where id = 2
update t1 set (name, amount) = ('both', 5) where id = 4 returning name, amount
update t1 set (name, amount) = (1, 2, 3) where id = 4
update t1 set name = default where id = 5 returning id, name
update t1 t set name = t.name || '!' where t.id = 1 returning t.name
update t1 set t1.name = 'x'
update t1 set name = 'x' where nosuch = 1
update t1 set amount = count(*)
update nosuch set a = 1
update t1 set amount = id where false
update t1 set id = id + 1 where id < 7
select id from t1 where id < 9 order by id
update t1 set id = id - 1 where id < 8 and id > 1
update t1 set ctid = '(0,1)'
update t1 set amount = (select max(amount) from t1) where id = 2 returning amount
update vc set a = 'toolong'
-- DELETE
delete from t1 where id = 6
delete from t1 where id = 6
delete from t1 where id in (11, 12) returning id
delete from t1 x where x.id = 13 returning x.*
delete from t1 where nosuch = 1
delete from t1 where id
delete from nosuch
delete from t1 where false returning id
-- joins and subqueries
create table j (id int, t1_id int, label text)
insert into j values (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c'), (4, 99, 'd'), (5, null, 'e')
select j.id, t1.id from j join t1 on t1.id = j.t1_id order by j.id
select j.id, t1.id from j left join t1 on t1.id = j.t1_id order by j.id
select j.id, t1.id from t1 right join j on t1.id = j.t1_id order by j.id
select j.id, t1.id from j, t1 where t1.id = j.t1_id order by j.id
select count(*) from j cross join j j2
select id from j join t1 on t1.id = j.t1_id
select a.id, b.id from j a join j b using (t1_id) order by 1, 2
select * from j a join j b using (t1_id) order by 2, 4 limit 1
select * from j natural join j k order by id
select * from j join j on true
select j.id from j join t1 on nosuch = 1
select j.id from j join t1 on 1
select t1_id, count(*) from j group by t1_id order by t1_id
select a.id from j a left join t1 b on a.t1_id = b.id where b.id is null order by 1
select a.id, b.id from j a left join j b on a.id = b.id and b.id > 3 order by 1
select (select max(id) from j), (select id from j where false)
select (select id from j)
select (select id, label from j)
select a.id, (select max(b.id) from j b where b.id < a.id) from j a order by a.id
select a.id from j a where exists (select 1 from j b where b.t1_id = a.id) order by a.id
select a.id from j a where a.id in (select b.id + 1 from j b where b.t1_id = a.t1_id) order by 1
select id, (select (select c.id + j.id from j c where c.id = b.id) from j b where b.id = j.id) from j order by id
select t1_id, (select count(*) from t1 where t1.id = j.t1_id) from j group by t1_id order by t1_id
select id, (select count(*) from t1 where t1.id = j.t1_id) from j group by id
select 5 > all (select id from j), 2 <= any (select id from j), 2 > all (select id from j where false)
select 2 in (select 2.0), 2.0 in (select id from j), 9 in (select t1_id from j), 9 not in (select id from j)
select (select nosuch from j), (select j.nosuch)
select exists (select 1 from j), exists (select 1 from j where false), not exists (select 1 from j)
select id from j where t1_id in (select id from t1) order by id
select id from j where t1_id = (select min(id) from t1) order by id
select s.id, s.n from (select id, count(*) over_count, 1 n from j group by id) s order by 1 limit 2
select * from (select id from j order by id desc limit 2) s order by id
select 1 union select 1
select 1 union all select 1
select 1 union select 2 order by 1 desc
select 1 union select 'a'
select 1, 2 union select 3
select 1 as a union select 2.5 order by a
select id from j intersect select 3
select id from j except select 3 order by 1
select null union select 1 order by 1
-- generate_series
select * from generate_series(1, 3)
select * from generate_series(1, 10, 3) g
select * from generate_series(3, 1, -1) as g(n)
select * from generate_series(1, 3, 0)
select * from generate_series(1, null)
select * from generate_series(1.0, 2.0, 0.5)
select * from generate_series(1, 3) with ordinality
select g, g * g as sq from generate_series(1, 3) g where g <> 2
select sum(g) from generate_series(1, 1000) g
select g.g from generate_series(1, 2) g
select count(*) from generate_series(1, 10) a, generate_series(1, 10) b
select generate_series(1, 3)
select generate_series(1, 3), generate_series(1, 2)
select generate_series(1, 3) as g limit 2
select * from generate_series('a', 'b')
select * from generate_series(1, 3) where generate_series = 2
select * from upper('x')
select * from upper('x') as u(v)
select pg_backend_pid() = any (array[pg_backend_pid()])
-- settings
show server_version_num
show transaction_isolation
show nosuch
set nosuch = 1
set search_path to public
set application_name = 'test'
show application_name
set application_name to default
set local application_name = 'x'
reset application_name
set session characteristics as transaction isolation level read committed
set transaction isolation level read committed
set extra_float_digits = 1
set standard_conforming_strings = on
show standard_conforming_strings
-- transactions
begin
insert into j values (100, 100, 'rolled back')
select count(*) from j where id = 100
rollback
select count(*) from j where id = 100
begin isolation level repeatable read
show transaction isolation level
select count(*) from j
commit
begin read only
insert into j values (1)
rollback
start transaction
select 1
abort
begin
begin
commit
commit
rollback
begin
select 1/0
select 1
commit
begin
select nosuch
rollback
begin
create table in_tx (a int)
insert into in_tx values (1)
select * from in_tx
rollback
select * from in_tx
begin
vacuum t1
rollback
begin
insert into j values (200, 1, 'x')
update j set label = 'y' where id = 200
update j set label = label || 'z' where id = 200
select label from j where id = 200
delete from j where id = 200
select count(*) from j where id = 200
commit
begin
lock table j in access exclusive mode
commit
lock table j
-- dropping
drop table nosuch
drop table if exists nosuch
drop table if exists nosuch, also_nosuch
drop table vc, nosuch
drop table vc, fl
drop table wf restrict
drop table empty cascade
drop table j, t1
select * from t1
vacuum
vacuum nosuch
checkpoint
