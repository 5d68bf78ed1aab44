-- Schedules: a test that runs again, on which agents, and what became of its runs.

DROP INDEX schedules_due;
DROP INDEX schedules_by_org;
ALTER TABLE schedules RENAME TO schedules_of_0001;

CREATE TABLE schedules (
  id                 TEXT    NOT NULL PRIMARY KEY,
  org_id             TEXT    NOT NULL,
  name               TEXT,
  test_uuid          TEXT    NOT NULL,
  test_name          TEXT    NOT NULL,
  binary_name        TEXT    NOT NULL,
  execution_timeout_seconds INTEGER NOT NULL CHECK (execution_timeout_seconds > 0),
  priority           INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 10),
  metadata           TEXT    NOT NULL CHECK (json_type(metadata) = 'object'),
  target_index       TEXT,
  schedule_type      TEXT    NOT NULL CHECK (schedule_type IN ('once', 'daily', 'weekly', 'monthly')),
  schedule_config    TEXT    NOT NULL CHECK (json_type(schedule_config) = 'object'),
  timezone           TEXT    NOT NULL,
  blackout_windows   TEXT    NOT NULL DEFAULT '[]' CHECK (json_type(blackout_windows) = 'array'),
  missed_run_policy  TEXT    NOT NULL DEFAULT 'run_once'
                     CHECK (missed_run_policy IN ('skip', 'run_once', 'run_all')),
  missed_run_window_seconds INTEGER NOT NULL DEFAULT 86400
                     CHECK (missed_run_window_seconds BETWEEN 60 AND 604800),
  status             TEXT    NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'completed', 'deleted')),
  -- The occurrence that is claimed next; of many machines' own times the earliest.
  next_run_at        INTEGER,
  last_run_at        INTEGER,
  -- What the last run stood for: whatever is random runs once per local day of it.
  last_occurrence_at INTEGER,
  skipped_runs       INTEGER NOT NULL DEFAULT 0,
  last_skipped_at    INTEGER,
  -- While an occurrence cannot be run: since when, why, and not to be tried before.
  failing_since      INTEGER,
  retry_at           INTEGER,
  last_error         TEXT,
  last_error_at      INTEGER,
  -- Counts every change, by people and by ticks.
  version            INTEGER NOT NULL DEFAULT 1,
  created_by         TEXT    NOT NULL,
  created_at         INTEGER NOT NULL,
  updated_at         INTEGER NOT NULL,

  -- What the triggers below carry out inside the statement that sets it, and clear.
  -- The agents: [[their next run, agent id], …].
  roster             TEXT,
  -- What the tasks of a run have in common, and one [task id, agent id, occurrence] each.
  firing             TEXT,
  targets            TEXT,
  -- Machines with times of their own: [[next run, agent id, occurrence that ran], …].
  advance            TEXT,
  audit              TEXT    CHECK (audit IS NULL OR json_valid(audit))
) STRICT;

CREATE INDEX schedules_due    ON schedules (coalesce(retry_at, next_run_at))
 WHERE status = 'active' AND next_run_at IS NOT NULL;
CREATE INDEX schedules_by_org ON schedules (org_id, created_at DESC, id DESC) WHERE status <> 'deleted';

-- Who belongs to a schedule; those that are gone for good do not.
CREATE TABLE schedule_agents (
  schedule_id        TEXT    NOT NULL REFERENCES schedules (id),
  agent_id           TEXT    NOT NULL REFERENCES agents (id),
  position           INTEGER NOT NULL,
  -- Only where each machine has a time of its own.
  next_run_at        INTEGER,
  last_occurrence_at INTEGER,
  PRIMARY KEY (schedule_id, agent_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX schedule_agents_in_order ON schedule_agents (schedule_id, position);
CREATE INDEX schedule_agents_by_agent ON schedule_agents (agent_id);

CREATE INDEX tasks_scheduled ON tasks (schedule_id, agent_id) WHERE schedule_id IS NOT NULL AND ended_by IS NULL;

CREATE TRIGGER schedules_created AFTER INSERT ON schedules
BEGIN
  INSERT INTO schedule_agents (schedule_id, agent_id, position, next_run_at)
  SELECT new.id, wanted.value ->> 1, wanted.key, wanted.value ->> 0
    FROM json_each(new.roster) AS wanted;
  UPDATE schedules SET roster = NULL WHERE id = new.id;
END;

CREATE TRIGGER schedules_manned AFTER UPDATE OF roster ON schedules
WHEN new.roster IS NOT NULL
BEGIN
  DELETE FROM schedule_agents
   WHERE schedule_id = new.id
     AND agent_id NOT IN (SELECT wanted.value ->> 1 FROM json_each(new.roster) AS wanted);
  INSERT INTO schedule_agents (schedule_id, agent_id, position, next_run_at)
  SELECT new.id, wanted.value ->> 1, wanted.key, wanted.value ->> 0
    FROM json_each(new.roster) AS wanted
   WHERE true
      ON CONFLICT (schedule_id, agent_id)
      DO UPDATE SET position = excluded.position, next_run_at = excluded.next_run_at;
  UPDATE schedules SET roster = NULL WHERE id = new.id;
END;

-- A run is one statement: it claims the occurrence, this makes the tasks. Agents that are not active,
-- of another platform than the build, or still at the task before, get none.
CREATE TRIGGER schedules_fired AFTER UPDATE OF firing ON schedules
WHEN new.firing IS NOT NULL
BEGIN
  INSERT INTO tasks (id, agent_id, org_id, type, priority, payload, execution_timeout_seconds, ttl_seconds,
                     created_at, expires_at, created_by, batch_id, target_index, schedule_id, occurrence_at)
  SELECT wanted.value ->> 0, agents.id, new.org_id, 'execute_test', new.priority, new.firing ->> 'payload',
         new.execution_timeout_seconds, new.firing ->> 'ttl_seconds', new.firing ->> 'at',
         new.firing ->> 'expires_at', new.created_by, new.firing ->> 'batch_id', new.target_index,
         new.id, wanted.value ->> 2
    FROM json_each(new.targets) AS wanted CROSS JOIN agents ON agents.id = wanted.value ->> 1
   WHERE agents.org_id = new.org_id AND agents.status = 'active'
     AND agents.os = new.firing ->> 'os' AND agents.arch = new.firing ->> 'arch'
     AND NOT EXISTS (SELECT 1 FROM tasks AS unfinished
                      WHERE unfinished.schedule_id = new.id AND unfinished.agent_id = agents.id
                        AND unfinished.ended_by IS NULL)
      ON CONFLICT (schedule_id, agent_id, occurrence_at) WHERE schedule_id IS NOT NULL DO NOTHING;
  UPDATE schedules SET firing = NULL, targets = NULL WHERE id = new.id;
END;

CREATE TRIGGER schedules_advanced AFTER UPDATE OF advance ON schedules
WHEN new.advance IS NOT NULL
BEGIN
  INSERT INTO schedule_agents (schedule_id, agent_id, position, next_run_at, last_occurrence_at)
  SELECT own.schedule_id, own.agent_id, own.position, due.value ->> 0, due.value ->> 2
    FROM json_each(new.advance) AS due
         CROSS JOIN schedule_agents AS own ON own.schedule_id = new.id AND own.agent_id = due.value ->> 1
   WHERE true
      ON CONFLICT (schedule_id, agent_id)
      DO UPDATE SET next_run_at = excluded.next_run_at,
                    last_occurrence_at = coalesce(excluded.last_occurrence_at, last_occurrence_at);
  UPDATE schedules SET advance = NULL WHERE id = new.id;
END;

CREATE TRIGGER schedules_deleted AFTER UPDATE OF status ON schedules
WHEN old.status <> 'deleted' AND new.status = 'deleted'
BEGIN
  DELETE FROM schedule_agents WHERE schedule_id = new.id;
END;

-- An agent that is gone for good is in no schedule (D-36).
CREATE TRIGGER agents_left_schedules AFTER UPDATE OF status ON agents
WHEN old.status <> new.status AND new.status IN ('decommissioned', 'uninstalled')
BEGIN
  DELETE FROM schedule_agents WHERE agent_id = new.id;
END;

CREATE TRIGGER schedules_creation_audited AFTER INSERT ON schedules
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'schedule', new.id, NULL,
          json_object('name', new.name, 'status', new.status, 'test_uuid', new.test_uuid,
                      'schedule_type', new.schedule_type, 'schedule_config', json(new.schedule_config),
                      'timezone', new.timezone, 'blackout_windows', json(new.blackout_windows),
                      'missed_run_policy', new.missed_run_policy, 'priority', new.priority,
                      'next_run_at', new.next_run_at, 'agents', json_array_length(new.roster)));
  UPDATE schedules SET audit = NULL WHERE id = new.id;
END;

-- The agents are counted where they were given anew.
CREATE TRIGGER schedules_change_audited AFTER UPDATE OF audit ON schedules
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'schedule', new.id,
          json_object('name', old.name, 'status', old.status, 'test_uuid', old.test_uuid,
                      'schedule_type', old.schedule_type, 'schedule_config', json(old.schedule_config),
                      'timezone', old.timezone, 'blackout_windows', json(old.blackout_windows),
                      'missed_run_policy', old.missed_run_policy, 'priority', old.priority,
                      'next_run_at', old.next_run_at),
          json_object('name', new.name, 'status', new.status, 'test_uuid', new.test_uuid,
                      'schedule_type', new.schedule_type, 'schedule_config', json(new.schedule_config),
                      'timezone', new.timezone, 'blackout_windows', json(new.blackout_windows),
                      'missed_run_policy', new.missed_run_policy, 'priority', new.priority,
                      'next_run_at', new.next_run_at, 'agents', json_array_length(new.roster)));
  UPDATE schedules SET audit = NULL WHERE id = new.id;
END;

-- What there was before.
INSERT INTO schedules (id, org_id, name, test_uuid, test_name, binary_name, execution_timeout_seconds, priority,
                       metadata, target_index, schedule_type, schedule_config, timezone, status, next_run_at,
                       last_run_at, created_by, created_at, updated_at, roster)
SELECT id, org_id, name, test_uuid, test_name, binary_name, execution_timeout_seconds, priority,
       metadata, target_index, schedule_type, schedule_config, timezone, status, next_run_at,
       last_run_at, created_by, created_at, updated_at,
       (SELECT json_group_array(json_array(NULL, agents.id))
          FROM json_each(schedules_of_0001.agent_ids) AS wanted CROSS JOIN agents ON agents.id = wanted.value
         WHERE agents.org_id = schedules_of_0001.org_id)
  FROM schedules_of_0001;
DROP TABLE schedules_of_0001;
