-- Results: what tests and controls came to, a row each, and which task's are still to be stored. And what
-- is kept of what is past its retention.

-- When the next attempt may be made; null while none has failed.
ALTER TABLE tasks ADD COLUMN next_ingest_at INTEGER;

DROP INDEX tasks_uningested;
CREATE INDEX tasks_ingestible ON tasks (completed_at, next_ingest_at, org_id)
 WHERE status = 'completed' AND type = 'execute_test' AND ingested = 0 AND ingest_attempts < 10;
CREATE INDEX tasks_given_up ON tasks (org_id, ingest_attempts)
 WHERE status = 'completed' AND type = 'execute_test' AND ingested = 0 AND ingest_attempts >= 10;

-- One row per test, or per control of a bundle. What belongs to whom comes from the task's row.
CREATE TABLE results (
  -- The task's id, or `<task>::<control>`: storing it again overwrites it.
  id                TEXT    NOT NULL PRIMARY KEY,
  task_id           TEXT    NOT NULL,
  org_id            TEXT    NOT NULL,
  agent_id          TEXT    NOT NULL,
  event_at          INTEGER NOT NULL,
  ingested_at       INTEGER NOT NULL,
  hostname          TEXT    NOT NULL,
  test_uuid         TEXT    NOT NULL,
  test_name         TEXT    NOT NULL,
  error_code        INTEGER NOT NULL,
  error_name        TEXT    NOT NULL,
  outcome           TEXT    NOT NULL
                    CHECK (outcome IN ('protected', 'unprotected', 'inconclusive', 'contextual', 'error', 'skipped')),
  is_protected      INTEGER NOT NULL GENERATED ALWAYS AS (outcome = 'protected') VIRTUAL,
  -- Whether it says how well the machine is protected: scores are `sum(is_protected) / sum(counts)`.
  counts            INTEGER NOT NULL GENERATED ALWAYS AS (outcome IN ('protected', 'unprotected')) VIRTUAL,
  is_bundle_control INTEGER NOT NULL CHECK (is_bundle_control IN (0, 1)),
  bundle_id         TEXT,
  bundle_name       TEXT,
  control_id        TEXT,
  control_validator TEXT,
  category          TEXT    NOT NULL,
  subcategory       TEXT    NOT NULL,
  severity          TEXT    NOT NULL,
  threat_actor      TEXT    NOT NULL,
  complexity        TEXT    NOT NULL,
  score             REAL,
  techniques        TEXT    NOT NULL CHECK (json_type(techniques) = 'array'),
  tactics           TEXT    NOT NULL CHECK (json_type(tactics) = 'array'),
  tags              TEXT    NOT NULL CHECK (json_type(tags) = 'array'),
  target            TEXT    NOT NULL CHECK (json_type(target) = 'array'),
  tenant_label      TEXT,
  -- As the task named it; all rows are here all the same.
  target_index      TEXT,
  -- The document of fleet.md §6.9, made of the columns when it is asked for.
  document          TEXT    NOT NULL GENERATED ALWAYS AS (json_patch(
    json_object(
      'routing', json_object(
        'event_time', strftime('%Y-%m-%dT%H:%M:%S', event_at / 1000, 'unixepoch') || printf('.%03dZ', event_at % 1000),
        'oid', org_id, 'hostname', hostname),
      'event', json_object('ERROR', error_code),
      'f0rtika', json_object(
        'test_uuid', test_uuid, 'test_name', test_name,
        'is_protected', json(iif(outcome = 'protected', 'true', 'false')), 'error_name', error_name,
        'category', category, 'subcategory', subcategory, 'severity', severity,
        'techniques', json(techniques), 'tactics', json(tactics), 'threat_actor', threat_actor,
        'target', json(target), 'complexity', complexity, 'tags', json(tags), 'score', score)),
    -- What is null here is absent.
    json_object('f0rtika', json_object(
      'bundle_id', bundle_id, 'bundle_name', bundle_name,
      'control_id', control_id, 'control_validator', control_validator,
      'is_bundle_control', json(iif(is_bundle_control, 'true', 'null')),
      'skipped', json(iif(outcome = 'skipped', 'true', 'null')),
      'tenant_label', tenant_label)))) VIRTUAL,

  CHECK (is_bundle_control = (bundle_id IS NOT NULL)),
  CHECK (is_bundle_control = (control_id IS NOT NULL))
) STRICT;

CREATE INDEX results_by_time ON results (org_id, event_at, outcome);
CREATE INDEX results_by_test ON results (org_id, test_uuid, event_at);
CREATE INDEX results_by_host ON results (org_id, hostname, event_at);

-- A task's documents and the note that they are stored are one statement.
CREATE TRIGGER results_stored AFTER INSERT ON results
BEGIN
  UPDATE tasks
     SET ingested = 1, ingest_attempts = max(ingest_attempts, 1), last_ingest_attempt_at = new.ingested_at,
         next_ingest_at = NULL
   WHERE id = new.task_id AND ingested = 0;
END;

CREATE TRIGGER results_stored_again AFTER UPDATE OF ingested_at ON results
BEGIN
  UPDATE tasks
     SET ingested = 1, ingest_attempts = max(ingest_attempts, 1), last_ingest_attempt_at = new.ingested_at,
         next_ingest_at = NULL
   WHERE id = new.task_id AND ingested = 0;
END;

CREATE INDEX enrollment_tokens_by_expiry ON enrollment_tokens (expires_at);

-- What is left of samples past their retention: an average per agent and hour.
CREATE TABLE heartbeat_hourly (
  agent_id            TEXT    NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
  hour_at             INTEGER NOT NULL CHECK (hour_at % 3600000 = 0),
  samples             INTEGER NOT NULL,
  cpu_percent         REAL,
  memory_mb           REAL,
  total_memory_mb     REAL,
  disk_free_mb        REAL,
  process_cpu_percent REAL,
  process_memory_mb   REAL,
  PRIMARY KEY (agent_id, hour_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX heartbeat_hourly_by_age ON heartbeat_hourly (hour_at);

-- Samples go oldest first: when the first one of an hour goes, all of that hour are still there.
CREATE TRIGGER heartbeat_history_averaged BEFORE DELETE ON heartbeat_history
WHEN NOT EXISTS (SELECT 1 FROM heartbeat_hourly
                  WHERE agent_id = old.agent_id AND hour_at = old.bucket_at / 3600000 * 3600000)
BEGIN
  INSERT INTO heartbeat_hourly (agent_id, hour_at, samples, cpu_percent, memory_mb, total_memory_mb, disk_free_mb,
                                process_cpu_percent, process_memory_mb)
  SELECT agent_id, old.bucket_at / 3600000 * 3600000, count(*), avg(cpu_percent), avg(memory_mb),
         avg(total_memory_mb), avg(disk_free_mb), avg(process_cpu_percent), avg(process_memory_mb)
    FROM heartbeat_history
   WHERE agent_id = old.agent_id
     AND bucket_at BETWEEN old.bucket_at / 3600000 * 3600000 AND old.bucket_at / 3600000 * 3600000 + 3599999;
END;
