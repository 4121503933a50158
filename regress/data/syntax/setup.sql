-- What the statements of these files speak about.
CREATE TABLE orders (id int PRIMARY KEY, customer int, amount numeric, placed timestamptz, note text, tags text[], doc jsonb);
INSERT INTO orders SELECT i, i % 3, i * 1.5, '2024-01-01 00:00+00'::timestamptz + i * interval '1 day', 'n' || i, ARRAY['a', 'b'], '{"k": 1}' FROM generate_series(1, 8) i;
CREATE TABLE customers (id int PRIMARY KEY, name text, branch text);
INSERT INTO customers VALUES (0, 'Ada', 'x'), (1, 'Bob', 'y'), (2, 'Cyd', 'z');
CREATE VIEW recent AS SELECT id, amount FROM orders WHERE amount > 3;
CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(amount) AS total FROM orders GROUP BY customer;
CREATE SEQUENCE numbers;
CREATE TYPE mood AS ENUM ('low', 'high');
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION pipe_to(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 100 + $2';
CREATE OPERATOR |> (LEFTARG = int, RIGHTARG = int, FUNCTION = pipe_to);
CREATE OPERATOR |> (RIGHTARG = int, FUNCTION = abs);
CREATE FUNCTION add_one(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN $1 + 1; END $$;
CREATE PROCEDURE nothing() LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
