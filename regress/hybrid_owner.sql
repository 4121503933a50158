-- Functions of indexes run as the owner of the table, whoever moves its rows.
CREATE ROLE regress_hybrid_owner;
CREATE FUNCTION who_am_i(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN ASSERT current_user = 'regress_hybrid_owner', format('%s calls %s', current_user, $1); RETURN $1; END $$;
CREATE TABLE owned (id int) USING heliosdb;
ALTER TABLE owned OWNER TO regress_hybrid_owner;
CREATE INDEX owned_id ON owned ((who_am_i(id) + who_am_i(1000))) WHERE who_am_i(id) > who_am_i(-1);
SET ROLE regress_hybrid_owner;
INSERT INTO owned VALUES (1), (2), (3);
RESET ROLE;
\c
SELECT heliosdb.move_to_cold('owned');
SELECT heliosdb.move_to_hot('owned');
DROP TABLE owned;
DROP FUNCTION who_am_i(int);
DROP ROLE regress_hybrid_owner;
