-- A heartbeat moves an agent in one index instead of two.
--
-- The index of an organisation's list also answers who went silent, without a look at the rows of
-- those who have been for long. It grows at its end, where a new entry is cheapest; lists read it
-- backwards.

DROP INDEX agents_present;
DROP INDEX agents_by_org;
CREATE INDEX agents_by_org ON agents (org_id, last_heartbeat_at, id DESC, offline_at, status);
