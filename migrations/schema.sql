-- The sum of all migrations: what a database looks like now. A test compares.
--
-- Instants are Unix milliseconds, UTC. JSON columns are checked. What must happen
-- together happens in one statement: side effects are triggers below their table.

CREATE TABLE enrollment_tokens (
  id         TEXT    NOT NULL PRIMARY KEY,
  org_id     TEXT    NOT NULL,
  digest     BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
  metadata   TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
  max_uses   INTEGER NOT NULL CHECK (max_uses BETWEEN 1 AND 1000),
  use_count  INTEGER NOT NULL DEFAULT 0 CHECK (use_count BETWEEN 0 AND max_uses),
  expires_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT    NOT NULL,
  audit      TEXT CHECK (audit IS NULL OR json_valid(audit))
) STRICT;

CREATE INDEX enrollment_tokens_by_org ON enrollment_tokens (org_id, created_at DESC, id DESC);

CREATE TABLE agents (
  id                      TEXT    NOT NULL PRIMARY KEY,
  org_id                  TEXT    NOT NULL,
  hostname                TEXT    NOT NULL,
  os                      TEXT    NOT NULL CHECK (os IN ('windows', 'linux', 'darwin')),
  arch                    TEXT    NOT NULL CHECK (arch IN ('amd64', 'arm64')),
  agent_version           TEXT    NOT NULL,
  status                  TEXT    NOT NULL DEFAULT 'active'
                          CHECK (status IN ('active', 'disabled', 'decommissioned', 'uninstalled')),
  tags                    TEXT    NOT NULL DEFAULT '[]' CHECK (json_type(tags) = 'array'),
  enrolled_at             INTEGER NOT NULL,
  enrolled_by             TEXT,
  created_at              INTEGER NOT NULL,
  updated_at              INTEGER NOT NULL,

  -- Credentials: SHA-256 of the key in use, of the one to be adopted, and of the one before.
  key_digest              BLOB    NOT NULL CHECK (length(key_digest) = 32),
  key_rotated_at          INTEGER,
  pending_key_digest      BLOB    CHECK (length(pending_key_digest) = 32),
  pending_key_sealed      BLOB,
  rotation_started_at     INTEGER,
  previous_key_digest     BLOB    CHECK (length(previous_key_digest) = 32),
  previous_key_expires_at INTEGER,

  -- Presence. `offline_at` is set while a `went_offline` event stands unanswered.
  last_heartbeat_at       INTEGER,
  last_heartbeat          TEXT    CHECK (last_heartbeat IS NULL OR json_valid(last_heartbeat)),
  reconnect               TEXT    CHECK (reconnect IS NULL OR json_valid(reconnect)),
  offline_at              INTEGER,
  rejected_since          INTEGER,

  -- Request budgets, counted by the statement that does the work.
  budget_started_at       INTEGER NOT NULL DEFAULT 0,
  budget_used             INTEGER NOT NULL DEFAULT 0,
  results_started_at      INTEGER NOT NULL DEFAULT 0,
  results_used            INTEGER NOT NULL DEFAULT 0,

  -- The last poll and what it was answered with; the trigger below assigns that task.
  polled_at               INTEGER,
  offered_task_id         TEXT,

  audit                   TEXT CHECK (audit IS NULL OR json_valid(audit)),

  -- Whether it was ever heard of, and the hour of the last test that it completed (hours since the epoch).
  heard                   INTEGER NOT NULL DEFAULT 0 CHECK (heard IN (0, 1)),
  completed_hour          INTEGER NOT NULL DEFAULT 0,

  CHECK ((pending_key_digest IS NULL) = (rotation_started_at IS NULL)),
  CHECK ((pending_key_digest IS NULL) = (pending_key_sealed IS NULL)),
  CHECK ((previous_key_digest IS NULL) = (previous_key_expires_at IS NULL))
) STRICT;

CREATE INDEX agents_by_org    ON agents (org_id, last_heartbeat_at, id DESC, offline_at, status, completed_hour);
CREATE INDEX agents_by_status ON agents (org_id, status, os, hostname);

CREATE TABLE agent_events (
  id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  agent_id   TEXT    NOT NULL REFERENCES agents (id),
  event_type TEXT    NOT NULL
             CHECK (event_type IN ('enrolled', 'went_offline', 'came_online', 'task_failed', 'task_completed',
                                   'version_updated', 'key_rotated', 'status_changed', 'decommissioned')),
  details    TEXT    NOT NULL DEFAULT '{}' CHECK (json_type(details) = 'object'),
  created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX agent_events_by_agent ON agent_events (agent_id, created_at DESC, id DESC);
CREATE INDEX agent_events_by_type  ON agent_events (agent_id, event_type, created_at DESC, id DESC);
CREATE INDEX agent_events_by_age   ON agent_events (created_at);

-- One sample per agent and five minutes.
CREATE TABLE heartbeat_history (
  agent_id          TEXT    NOT NULL REFERENCES agents (id),
  bucket_at         INTEGER NOT NULL CHECK (bucket_at % 300000 = 0),
  recorded_at       INTEGER NOT NULL,
  cpu_percent       REAL,
  memory_mb         REAL,
  total_memory_mb   REAL,
  disk_free_mb      REAL,
  uptime_seconds    INTEGER,
  process_cpu_percent REAL,
  process_memory_mb REAL,
  PRIMARY KEY (agent_id, bucket_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX heartbeat_history_by_age ON heartbeat_history (bucket_at);

CREATE TRIGGER agents_enrolled AFTER INSERT ON agents
BEGIN
  UPDATE enrollment_tokens SET use_count = use_count + 1 WHERE id = new.enrolled_by;
  INSERT INTO agent_events (agent_id, event_type, details, created_at)
  VALUES (new.id, 'enrolled',
          json_object('hostname', new.hostname, 'os', new.os, 'arch', new.arch, 'agent_version', new.agent_version),
          new.enrolled_at);
END;

CREATE TRIGGER agents_sampled AFTER UPDATE OF last_heartbeat_at ON agents
WHEN new.last_heartbeat_at IS NOT NULL
 AND (old.last_heartbeat_at IS NULL OR new.last_heartbeat_at / 300000 <> old.last_heartbeat_at / 300000)
BEGIN
  INSERT OR IGNORE INTO heartbeat_history
         (agent_id, bucket_at, recorded_at, cpu_percent, memory_mb, total_memory_mb, disk_free_mb,
          uptime_seconds, process_cpu_percent, process_memory_mb)
  VALUES (new.id, new.last_heartbeat_at / 300000 * 300000, new.last_heartbeat_at,
          json_extract(new.last_heartbeat, '$.system.cpu_percent'),
          json_extract(new.last_heartbeat, '$.system.memory_mb'),
          json_extract(new.last_heartbeat, '$.system.total_memory_mb'),
          json_extract(new.last_heartbeat, '$.system.disk_free_mb'),
          CAST(json_extract(new.last_heartbeat, '$.system.uptime_seconds') AS INTEGER),
          json_extract(new.last_heartbeat, '$.system.process_cpu_percent'),
          json_extract(new.last_heartbeat, '$.system.process_memory_mb'));
END;

-- A service that restarts after a crash does not know why; the event of its silence may.
CREATE TRIGGER agents_came_online AFTER UPDATE OF last_heartbeat_at ON agents
WHEN new.last_heartbeat_at IS NOT NULL
 AND (old.last_heartbeat_at IS NULL OR new.last_heartbeat_at - old.last_heartbeat_at >= 180000)
BEGIN
  UPDATE agents SET heard = 1 WHERE id = new.id AND heard = 0;
  INSERT INTO agent_events (agent_id, event_type, details, created_at)
  SELECT new.id, 'came_online',
         CASE WHEN json_extract(new.reconnect, '$.reconnect_reason') = 'service_restart' AND probable IS NOT NULL
              THEN json_set(new.reconnect, '$.probable_cause', probable)
              ELSE coalesce(new.reconnect, json_object('reconnect_reason', 'unknown')) END,
         new.last_heartbeat_at
    FROM (SELECT (SELECT json_extract(details, '$.probable_cause')
                    FROM agent_events
                   WHERE agent_id = new.id AND event_type = 'went_offline'
                ORDER BY created_at DESC, id DESC
                   LIMIT 1) AS probable);
END;

CREATE TRIGGER agents_went_offline AFTER UPDATE OF offline_at ON agents
WHEN old.offline_at IS NULL AND new.offline_at IS NOT NULL
BEGIN
  INSERT INTO agent_events (agent_id, event_type, details, created_at)
  SELECT new.id, 'went_offline',
         CASE WHEN new.last_heartbeat IS NULL THEN '{}'
              ELSE json_patch(
                json_object('last_cpu_percent', cpu, 'last_memory_mb', memory, 'last_disk_free_mb', disk),
                json_object('last_total_memory_mb', total,
                            'probable_cause',
                            CASE WHEN disk < 100 THEN 'disk_pressure'
                                 WHEN total > 0 AND memory > total * 0.9 THEN 'memory_pressure'
                                 WHEN total IS NULL AND cpu > 95 THEN 'cpu_saturation' END)) END,
         new.offline_at
    FROM (SELECT json_extract(new.last_heartbeat, '$.system.cpu_percent')     AS cpu,
                 json_extract(new.last_heartbeat, '$.system.memory_mb')       AS memory,
                 json_extract(new.last_heartbeat, '$.system.total_memory_mb') AS total,
                 json_extract(new.last_heartbeat, '$.system.disk_free_mb')    AS disk);
END;

CREATE TRIGGER agents_updated AFTER UPDATE OF agent_version ON agents
WHEN old.agent_version <> new.agent_version
BEGIN
  INSERT INTO agent_events (agent_id, event_type, details, created_at)
  VALUES (new.id, 'version_updated', json_object('from', old.agent_version, 'to', new.agent_version), new.updated_at);
END;

CREATE TRIGGER agents_rotation_started AFTER UPDATE OF rotation_started_at ON agents
WHEN old.rotation_started_at IS NULL AND new.rotation_started_at IS NOT NULL
BEGIN
  INSERT INTO agent_events (agent_id, event_type, created_at)
  VALUES (new.id, 'key_rotated', new.rotation_started_at);
END;

CREATE TABLE tasks (
  id                     TEXT    NOT NULL PRIMARY KEY,
  agent_id               TEXT    NOT NULL REFERENCES agents (id),
  org_id                 TEXT    NOT NULL,
  type                   TEXT    NOT NULL
                         CHECK (type IN ('execute_test', 'update_agent', 'uninstall', 'execute_command')),
  priority               INTEGER NOT NULL DEFAULT 1 CHECK (priority BETWEEN 0 AND 10),
  status                 TEXT    NOT NULL DEFAULT 'pending'
                         CHECK (status IN ('pending', 'assigned', 'downloading', 'executing',
                                           'completed', 'failed', 'expired')),
  payload                TEXT    NOT NULL CHECK (json_type(payload) = 'object'),
  result                 TEXT    CHECK (result IS NULL OR json_valid(result)),
  -- Who ended it: the agent's result, its own report of failure, the passing of time, or a person.
  ended_by               TEXT    CHECK (ended_by IN ('result', 'report', 'sweep', 'person')),
  failure_reason         TEXT,
  late                   INTEGER NOT NULL DEFAULT 0 CHECK (late IN (0, 1)),
  execution_timeout_seconds INTEGER NOT NULL CHECK (execution_timeout_seconds > 0),
  ttl_seconds            INTEGER NOT NULL CHECK (ttl_seconds > 0),
  created_at             INTEGER NOT NULL,
  created_by             TEXT,
  expires_at             INTEGER NOT NULL,
  assigned_at            INTEGER,
  -- When the present status will have lasted too long; null while nobody works on it.
  overdue_at             INTEGER,
  completed_at           INTEGER,
  notes                  TEXT,
  notes_history          TEXT    NOT NULL DEFAULT '[]' CHECK (json_type(notes_history) = 'array'),
  target_index           TEXT,
  batch_id               TEXT    NOT NULL,
  retry_count            INTEGER NOT NULL DEFAULT 0,
  max_retries            INTEGER NOT NULL DEFAULT 2,
  original_task_id       TEXT,
  schedule_id            TEXT,
  occurrence_at          INTEGER,
  ingested               INTEGER NOT NULL DEFAULT 0 CHECK (ingested IN (0, 1)),
  ingest_attempts        INTEGER NOT NULL DEFAULT 0,
  last_ingest_attempt_at INTEGER,
  -- The agent's last report on this task, as a request: how many it made in which window.
  report_used            INTEGER,
  report_window_at       INTEGER,

  audit                  TEXT CHECK (audit IS NULL OR json_valid(audit)),
  -- A retry is not offered earlier.
  not_before             INTEGER NOT NULL DEFAULT 0,
  -- Of all notes ever written, of which the history keeps the last hundred.
  notes_count            INTEGER NOT NULL DEFAULT 0,
  -- Set by whoever removes many at once; the row goes with that.
  removed                INTEGER NOT NULL DEFAULT 0 CHECK (removed IN (0, 1)),
  -- When the next attempt to store the result may be made; null while none has failed.
  next_ingest_at         INTEGER,
  -- What it is about.
  subject_id             INTEGER,

  CHECK ((ended_by IS NULL) = (status IN ('pending', 'assigned', 'downloading', 'executing')))
) STRICT;

CREATE INDEX tasks_offered   ON tasks (agent_id, priority DESC, created_at, id) WHERE status IN ('pending', 'assigned');
CREATE INDEX tasks_expiring  ON tasks (expires_at) WHERE status IN ('pending', 'assigned');
CREATE INDEX tasks_running   ON tasks (agent_id) WHERE status IN ('downloading', 'executing');
CREATE INDEX tasks_overdue   ON tasks (overdue_at) WHERE status IN ('assigned', 'downloading', 'executing');
CREATE INDEX tasks_ingestible ON tasks (coalesce(next_ingest_at, completed_at))
 WHERE status = 'completed' AND type = 'execute_test' AND ingested = 0 AND ingest_attempts < 10;
CREATE INDEX tasks_ingestible_by_org ON tasks (org_id, coalesce(next_ingest_at, completed_at))
 WHERE status = 'completed' AND type = 'execute_test' AND ingested = 0 AND ingest_attempts < 10;
CREATE INDEX tasks_given_up ON tasks (org_id, ingest_attempts)
 WHERE status = 'completed' AND type = 'execute_test' AND ingested = 0 AND ingest_attempts >= 10;
CREATE INDEX tasks_by_org    ON tasks (org_id, created_at DESC, id DESC);
CREATE INDEX tasks_by_status ON tasks (org_id, status, created_at DESC, id DESC);
CREATE INDEX tasks_by_agent  ON tasks (agent_id, created_at DESC, id DESC);
CREATE INDEX tasks_by_batch  ON tasks (org_id, batch_id, created_at);
CREATE UNIQUE INDEX tasks_retried ON tasks (original_task_id, retry_count) WHERE original_task_id IS NOT NULL;
CREATE UNIQUE INDEX tasks_by_occurrence ON tasks (schedule_id, agent_id, occurrence_at) WHERE schedule_id IS NOT NULL;

-- Polling is one statement: it chooses the task, this assigns it.
CREATE TRIGGER agents_polled AFTER UPDATE OF polled_at ON agents
WHEN new.offered_task_id IS NOT NULL
BEGIN
  UPDATE tasks
     SET status = 'assigned',
         assigned_at = new.polled_at,
         -- Offering it again does not buy it time.
         overdue_at = coalesce(overdue_at, new.polled_at + (execution_timeout_seconds + 120) * 1000)
   WHERE id = new.offered_task_id AND status IN ('pending', 'assigned');
END;

-- Reporting is one statement, too: it judges the agent's budget, this counts the request.
CREATE TRIGGER tasks_reported AFTER UPDATE OF report_used ON tasks
WHEN new.ended_by IS NOT 'result'
BEGIN
  UPDATE agents
     SET budget_used = new.report_used, budget_started_at = new.report_window_at, rejected_since = NULL
   WHERE id = new.agent_id;
END;

CREATE TRIGGER tasks_resulted AFTER UPDATE OF report_used ON tasks
WHEN new.ended_by = 'result'
BEGIN
  UPDATE agents
     SET results_used = new.report_used, results_started_at = new.report_window_at, rejected_since = NULL
   WHERE id = new.agent_id;
END;

CREATE TRIGGER tasks_completed AFTER UPDATE OF status ON tasks
WHEN old.status <> 'completed' AND new.status = 'completed'
BEGIN
  INSERT INTO agent_events (agent_id, event_type, details, created_at)
  VALUES (new.agent_id, 'task_completed', json_object('task_id', new.id, 'task_type', new.type), new.completed_at);
  UPDATE agents
     SET status = 'uninstalled', updated_at = new.completed_at
   WHERE id = new.agent_id AND new.type = 'uninstall' AND status <> 'uninstalled';
END;

-- A test that failed because its time or its agent ran out is tried again (D-21, D-71), a minute
-- later at first and each time after twice as long. A command is not: it may have done its work.
CREATE TRIGGER tasks_failed AFTER UPDATE OF status ON tasks
WHEN old.status <> 'failed' AND new.status = 'failed'
BEGIN
  INSERT INTO tasks (id, agent_id, org_id, type, priority, payload, execution_timeout_seconds, ttl_seconds,
                     created_at, created_by, expires_at, target_index, batch_id, max_retries, schedule_id,
                     retry_count, original_task_id, not_before)
  -- A UUID of version 7.
  SELECT substr(millis, 1, 8) || '-' || substr(millis, 9) || '-7' || substr(noise, 1, 3)
           || '-' || substr('89ab', 1 + abs(random() % 4), 1) || substr(noise, 4, 3) || '-' || substr(noise, 7, 12),
         new.agent_id, new.org_id, new.type, new.priority, new.payload, new.execution_timeout_seconds,
         new.ttl_seconds, new.completed_at, new.created_by, not_before + new.ttl_seconds * 1000,
         new.target_index, new.batch_id, new.max_retries, new.schedule_id,
         new.retry_count + 1, coalesce(new.original_task_id, new.id), not_before
    FROM (SELECT printf('%012x', new.completed_at) AS millis, lower(hex(randomblob(9))) AS noise,
                 new.completed_at + min(60000 << min(new.retry_count, 6), 3600000) AS not_before)
   WHERE new.type = 'execute_test' AND new.ended_by = 'sweep' AND new.retry_count < new.max_retries
     AND EXISTS (SELECT 1 FROM agents WHERE id = new.agent_id AND status IN ('active', 'disabled'));

  INSERT INTO agent_events (agent_id, event_type, details, created_at)
  VALUES (new.agent_id, 'task_failed',
          json_patch(json_object('task_id', new.id, 'task_type', new.type),
                     CASE new.ended_by WHEN 'sweep'
                       THEN json_object('reason', new.failure_reason,
                                        'retry_created', json(iif(EXISTS (
                                          SELECT 1 FROM tasks
                                           WHERE original_task_id = coalesce(new.original_task_id, new.id)
                                             AND retry_count = new.retry_count + 1), 'true', 'false')),
                                        'retry_count', new.retry_count)
                       ELSE json_object('reason', new.failure_reason) END),
          new.completed_at);
END;

-- The result came after all: a retry that nobody has fetched is not needed any more.
CREATE TRIGGER tasks_superseded AFTER UPDATE OF status ON tasks
WHEN old.status = 'failed' AND new.status = 'completed'
BEGIN
  UPDATE tasks
     SET status = 'expired', ended_by = 'sweep', failure_reason = 'superseded', overdue_at = NULL
   WHERE original_task_id = coalesce(new.original_task_id, new.id)
     AND retry_count > new.retry_count
     AND status = 'pending';
END;

CREATE TRIGGER tasks_removed AFTER UPDATE OF removed ON tasks
WHEN new.removed = 1
BEGIN
  DELETE FROM tasks WHERE id = new.id;
END;

-- An agent that is gone for good leaves no work behind.
CREATE TRIGGER agents_status_changed AFTER UPDATE OF status ON agents
WHEN old.status <> new.status
BEGIN
  INSERT INTO agent_events (agent_id, event_type, details, created_at)
  VALUES (new.id, CASE new.status WHEN 'decommissioned' THEN 'decommissioned' ELSE 'status_changed' END,
          json_object('from', old.status, 'to', new.status), new.updated_at);
  UPDATE tasks
     SET status = 'expired', ended_by = 'sweep', failure_reason = 'agent_' || new.status, overdue_at = NULL
   WHERE new.status IN ('decommissioned', 'uninstalled')
     AND rowid IN (SELECT rowid FROM tasks INDEXED BY tasks_offered
                    WHERE agent_id = new.id AND status IN ('pending', 'assigned'));
END;

CREATE TABLE agent_releases (
  org_id           TEXT    NOT NULL,
  version          TEXT    NOT NULL,
  os               TEXT    NOT NULL CHECK (os IN ('windows', 'linux', 'darwin')),
  arch             TEXT    NOT NULL CHECK (arch IN ('amd64', 'arm64')),
  -- Sorts as semantic versions do.
  precedence       TEXT    NOT NULL,
  binary_sha256    TEXT    NOT NULL CHECK (length(binary_sha256) = 64),
  binary_size      INTEGER NOT NULL CHECK (binary_size > 0),
  binary_signature TEXT    NOT NULL CHECK (length(binary_signature) = 128),
  signed           INTEGER NOT NULL DEFAULT 0 CHECK (signed IN (0, 1)),
  release_notes    TEXT    NOT NULL DEFAULT '',
  mandatory        INTEGER NOT NULL DEFAULT 0 CHECK (mandatory IN (0, 1)),
  created_at       INTEGER NOT NULL,
  created_by       TEXT    NOT NULL,
  -- The bytes that the last registration put others in place of.
  replaced_sha256  TEXT,
  audit            TEXT CHECK (audit IS NULL OR json_valid(audit)),
  -- The approval that a mandatory release waits for; nobody is offered it before.
  awaiting_approval TEXT,
  PRIMARY KEY (org_id, version, os, arch)
) STRICT, WITHOUT ROWID;

CREATE INDEX agent_releases_latest ON agent_releases (os, arch, org_id, precedence DESC, created_at DESC);
CREATE INDEX agent_releases_by_age ON agent_releases (org_id, created_at DESC);
CREATE INDEX agent_releases_by_blob ON agent_releases (binary_sha256);
-- A mandatory release that was refused stays withheld by its approval.
CREATE INDEX agent_releases_awaiting ON agent_releases (awaiting_approval) WHERE awaiting_approval IS NOT NULL;

CREATE TABLE builds (
  org_id     TEXT    NOT NULL,
  test_uuid  TEXT    NOT NULL COLLATE NOCASE,
  os         TEXT    NOT NULL CHECK (os IN ('windows', 'linux', 'darwin')),
  arch       TEXT    NOT NULL CHECK (arch IN ('amd64', 'arm64')),
  filename   TEXT    NOT NULL,
  sha256     TEXT    NOT NULL CHECK (length(sha256) = 64),
  size       INTEGER NOT NULL CHECK (size > 0),
  signed     INTEGER NOT NULL DEFAULT 0 CHECK (signed IN (0, 1)),
  built_at   INTEGER NOT NULL,
  created_by TEXT    NOT NULL,
  -- The bytes that the last registration put others in place of.
  replaced_sha256 TEXT,
  audit      TEXT CHECK (audit IS NULL OR json_valid(audit)),
  PRIMARY KEY (org_id, test_uuid)
) STRICT, WITHOUT ROWID;

CREATE INDEX builds_by_blob ON builds (sha256);

-- Schedules: a test that runs again, on which agents, and what became of its runs.

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
-- of another platform than the build, or still at the task before, get none. Where that is all of
-- them, the schedule says so.
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
  UPDATE schedules
     SET last_error = 'No agent could take the run', last_error_at = new.firing ->> 'at'
   WHERE id = new.id
     AND NOT EXISTS (SELECT 1 FROM tasks WHERE org_id = new.org_id AND batch_id = new.firing ->> 'batch_id');
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

-- Budgets of callers that have no row of their own: addresses and people.
CREATE TABLE rate_limits (
  key        TEXT    NOT NULL PRIMARY KEY,
  started_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX rate_limits_by_age ON rate_limits (expires_at);

-- What an organisation decided about itself, one row per section.
CREATE TABLE organization_settings (
  org_id     TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  value      TEXT    NOT NULL CHECK (json_valid(value)),
  version    INTEGER NOT NULL DEFAULT 1 CHECK (version > 0),
  updated_at INTEGER NOT NULL,
  updated_by TEXT    NOT NULL,
  audit      TEXT    CHECK (audit IS NULL OR json_valid(audit)),
  PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX organization_settings_by_name ON organization_settings (name, org_id);

CREATE TRIGGER organization_settings_creation_audited AFTER INSERT ON organization_settings
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'settings', new.name, NULL, new.value);
  UPDATE organization_settings SET audit = NULL WHERE org_id = new.org_id AND name = new.name;
END;

CREATE TRIGGER organization_settings_change_audited AFTER UPDATE OF audit ON organization_settings
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'settings', new.name, old.value, new.value);
  UPDATE organization_settings SET audit = NULL WHERE org_id = new.org_id AND name = new.name;
END;

-- How many agents there are, by all that a total or a metric is asked for.
CREATE TABLE agent_counts (
  org_id        TEXT    NOT NULL,
  status        TEXT    NOT NULL,
  os            TEXT    NOT NULL,
  agent_version TEXT    NOT NULL,
  agents        INTEGER NOT NULL,
  PRIMARY KEY (org_id, status, os, agent_version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER agents_counted AFTER INSERT ON agents
BEGIN
  INSERT INTO agent_counts (org_id, status, os, agent_version, agents)
  VALUES (new.org_id, new.status, new.os, new.agent_version, 1)
      ON CONFLICT (org_id, status, os, agent_version) DO UPDATE SET agents = agents + 1;
END;

CREATE TRIGGER agents_recounted AFTER UPDATE OF status, os, agent_version ON agents
WHEN old.agent_version <> new.agent_version OR old.status <> new.status OR old.os <> new.os
BEGIN
  UPDATE agent_counts
     SET agents = agents - 1
   WHERE org_id = old.org_id AND status = old.status AND os = old.os AND agent_version = old.agent_version;
  DELETE FROM agent_counts
   WHERE org_id = old.org_id AND status = old.status AND os = old.os AND agent_version = old.agent_version
     AND agents <= 0;
  INSERT INTO agent_counts (org_id, status, os, agent_version, agents)
  VALUES (new.org_id, new.status, new.os, new.agent_version, 1)
      ON CONFLICT (org_id, status, os, agent_version) DO UPDATE SET agents = agents + 1;
END;

-- Tags as an index: a copy of `agents.tags`, with what else a list is filtered by.
CREATE TABLE agent_tags (
  org_id   TEXT NOT NULL,
  tag      TEXT NOT NULL,
  status   TEXT NOT NULL,
  os       TEXT NOT NULL,
  hostname TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  PRIMARY KEY (org_id, tag, status, os, hostname, agent_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER agents_retagged AFTER UPDATE OF tags, status, os, hostname ON agents
WHEN old.tags <> '[]' OR new.tags <> '[]'
BEGIN
  DELETE FROM agent_tags
   WHERE (org_id, tag, status, os, hostname, agent_id)
      IN (SELECT old.org_id, value, old.status, old.os, old.hostname, old.id FROM json_each(old.tags));
  INSERT OR IGNORE INTO agent_tags (org_id, tag, status, os, hostname, agent_id)
  SELECT new.org_id, value, new.status, new.os, new.hostname, new.id FROM json_each(new.tags);
END;

-- Agents that are due for a new key are at the front.
CREATE INDEX agents_by_key_age ON agents (org_id, coalesce(key_rotated_at, created_at))
 WHERE status = 'active' AND pending_key_digest IS NULL;

-- What an agent did on a day (days since the epoch, UTC): the source of every score.
CREATE TABLE agent_days (
  agent_id          TEXT    NOT NULL REFERENCES agents (id),
  day               INTEGER NOT NULL,
  samples           INTEGER NOT NULL DEFAULT 0,
  completed         INTEGER NOT NULL DEFAULT 0,
  failed            INTEGER NOT NULL DEFAULT 0,
  silences          INTEGER NOT NULL DEFAULT 0,
  last_completed_at INTEGER,
  PRIMARY KEY (agent_id, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX agent_days_by_age ON agent_days (day);

-- Samples of all agents of an organisation on a day.
CREATE TABLE fleet_days (
  org_id  TEXT    NOT NULL,
  day     INTEGER NOT NULL,
  samples INTEGER NOT NULL,
  PRIMARY KEY (org_id, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX fleet_days_by_age ON fleet_days (day);

CREATE TRIGGER heartbeat_history_counted AFTER INSERT ON heartbeat_history
BEGIN
  INSERT INTO agent_days (agent_id, day, samples)
  VALUES (new.agent_id, new.bucket_at / 86400000, 1)
      ON CONFLICT (agent_id, day) DO UPDATE SET samples = samples + 1;
  INSERT INTO fleet_days (org_id, day, samples)
  SELECT org_id, new.bucket_at / 86400000, 1 FROM agents WHERE id = new.agent_id
      ON CONFLICT (org_id, day) DO UPDATE SET samples = samples + 1;
END;

CREATE TRIGGER agent_events_counted AFTER INSERT ON agent_events
WHEN new.event_type = 'went_offline'
BEGIN
  INSERT INTO agent_days (agent_id, day, silences)
  VALUES (new.agent_id, new.created_at / 86400000, 1)
      ON CONFLICT (agent_id, day) DO UPDATE SET silences = silences + 1;
END;

-- A late result turns a failure into a success; it then counts as that alone.
CREATE TRIGGER tasks_counted AFTER UPDATE OF status ON tasks
WHEN new.status IN ('completed', 'failed') AND old.status <> new.status AND new.completed_at IS NOT NULL
BEGIN
  UPDATE agent_days
     SET failed = failed - 1
   WHERE old.status = 'failed' AND agent_id = old.agent_id AND day = old.completed_at / 86400000 AND failed > 0;
  INSERT INTO agent_days (agent_id, day, completed, failed, last_completed_at)
  VALUES (new.agent_id, new.completed_at / 86400000, new.status = 'completed', new.status = 'failed',
          iif(new.status = 'completed', new.completed_at, NULL))
      ON CONFLICT (agent_id, day) DO UPDATE
     SET completed = completed + excluded.completed, failed = failed + excluded.failed,
         last_completed_at = coalesce(excluded.last_completed_at, last_completed_at);
END;

CREATE INDEX tasks_by_end ON tasks (org_id, status, completed_at) WHERE status IN ('completed', 'failed');

-- The release that an organisation's agents of a platform are offered, whatever is newer.
CREATE TABLE release_promotions (
  org_id      TEXT    NOT NULL,
  os          TEXT    NOT NULL CHECK (os IN ('windows', 'linux', 'darwin')),
  arch        TEXT    NOT NULL CHECK (arch IN ('amd64', 'arm64')),
  version     TEXT    NOT NULL,
  promoted_at INTEGER NOT NULL,
  promoted_by TEXT    NOT NULL,
  audit       TEXT    CHECK (audit IS NULL OR json_valid(audit)),
  -- Set by whoever takes it back; the row goes with that.
  ended_at    INTEGER,
  PRIMARY KEY (org_id, os, arch)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER release_promotions_creation_audited AFTER INSERT ON release_promotions
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'version', new.version || '/' || new.os || '/' || new.arch, NULL,
          json_object('promoted', new.version));
  UPDATE release_promotions SET audit = NULL WHERE org_id = new.org_id AND os = new.os AND arch = new.arch;
END;

CREATE TRIGGER release_promotions_change_audited AFTER UPDATE OF audit ON release_promotions
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'version', new.version || '/' || new.os || '/' || new.arch,
          json_object('promoted', old.version),
          json_object('promoted', iif(new.ended_at IS NULL, new.version, NULL)));
  DELETE FROM release_promotions
   WHERE org_id = new.org_id AND os = new.os AND arch = new.arch AND ended_at IS NOT NULL;
  UPDATE release_promotions SET audit = NULL WHERE org_id = new.org_id AND os = new.os AND arch = new.arch;
END;

CREATE TRIGGER agent_releases_gone AFTER DELETE ON agent_releases
BEGIN
  DELETE FROM release_promotions
   WHERE org_id = old.org_id AND os = old.os AND arch = old.arch AND version = old.version;
  UPDATE approvals
     SET status = 'expired',
         decided_at = coalesce(old.audit ->> 'at', CAST(unixepoch('subsec') * 1000 AS INTEGER)),
         updated_at = coalesce(old.audit ->> 'at', CAST(unixepoch('subsec') * 1000 AS INTEGER))
   WHERE org_id = old.org_id AND status = 'pending_approval' AND kind = 'mandatory_update'
     AND work ->> 'version' = old.version AND work ->> 'os' = old.os AND work ->> 'arch' = old.arch;
END;

-- What an organisation's test library says of its tests.
CREATE TABLE catalog_entries (
  org_id    TEXT NOT NULL,
  test_uuid TEXT NOT NULL COLLATE NOCASE,
  name      TEXT NOT NULL,
  -- fleet.md §4.5, TestMetadata.
  metadata  TEXT NOT NULL CHECK (json_type(metadata) = 'object'),
  PRIMARY KEY (org_id, test_uuid)
) STRICT, WITHOUT ROWID;

-- One row per organisation. Writing `entries` replaces the whole catalog, in that statement.
CREATE TABLE catalogs (
  org_id      TEXT    NOT NULL PRIMARY KEY,
  size        INTEGER NOT NULL,
  imported_at INTEGER NOT NULL,
  imported_by TEXT    NOT NULL,
  entries     TEXT    CHECK (entries IS NULL OR json_type(entries) = 'array'),
  audit       TEXT    CHECK (audit IS NULL OR json_valid(audit))
) STRICT, WITHOUT ROWID;

CREATE TRIGGER catalogs_creation_audited AFTER INSERT ON catalogs
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'catalog', new.org_id, NULL, json_object('size', new.size));
  UPDATE catalogs SET audit = NULL WHERE org_id = new.org_id;
END;

CREATE TRIGGER catalogs_change_audited AFTER UPDATE OF audit ON catalogs
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'catalog', new.org_id,
          json_object('size', old.size), json_object('size', new.size));
  UPDATE catalogs SET audit = NULL WHERE org_id = new.org_id;
END;

CREATE TRIGGER catalogs_imported AFTER INSERT ON catalogs
WHEN new.entries IS NOT NULL
BEGIN
  INSERT INTO catalog_entries (org_id, test_uuid, name, metadata)
  SELECT new.org_id, value ->> 'test_uuid', value ->> 'name', value -> 'metadata' FROM json_each(new.entries);
  UPDATE catalogs SET entries = NULL WHERE org_id = new.org_id;
END;

CREATE TRIGGER catalogs_reimported AFTER UPDATE OF entries ON catalogs
WHEN new.entries IS NOT NULL
BEGIN
  DELETE FROM catalog_entries WHERE org_id = new.org_id;
  INSERT INTO catalog_entries (org_id, test_uuid, name, metadata)
  SELECT new.org_id, value ->> 'test_uuid', value ->> 'name', value -> 'metadata' FROM json_each(new.entries);
  UPDATE catalogs SET entries = NULL WHERE org_id = new.org_id;
END;

-- What people, their keys and our own workers did, and whether anybody has tampered with the record.
--
-- A statement that changes something on somebody's behalf sets the row's `audit` to an entry
-- ({at, actor, address, request_id, action, details}). A trigger of that table writes the row here and
-- empties the column again, so that the record and the change are one statement.

CREATE TABLE audit_log (
  org_id      TEXT    NOT NULL,
  -- 1, 2, 3 … per organisation, without a gap.
  seq         INTEGER NOT NULL CHECK (seq > 0),
  at          INTEGER NOT NULL,
  actor       TEXT    NOT NULL,
  address     TEXT    NOT NULL,
  request_id  TEXT    NOT NULL,
  action      TEXT    NOT NULL,
  target_type TEXT    NOT NULL,
  target_id   TEXT    NOT NULL,
  before      TEXT    CHECK (before IS NULL OR json_valid(before)),
  after       TEXT    CHECK (after IS NULL OR json_valid(after)),
  -- Keyed, over this row and the hash before it; null until it is sealed, moments later.
  hash        BLOB    CHECK (length(hash) = 32),
  PRIMARY KEY (org_id, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_log_by_actor   ON audit_log (org_id, actor, seq DESC);
CREATE INDEX audit_log_by_action  ON audit_log (org_id, action, seq DESC);
CREATE INDEX audit_log_by_target  ON audit_log (org_id, target_type, target_id, seq DESC);
CREATE INDEX audit_log_by_request ON audit_log (org_id, request_id, seq DESC);
CREATE INDEX audit_log_by_time    ON audit_log (org_id, at);

-- Where each organisation's log ends, and how far it is sealed.
CREATE TABLE audit_heads (
  org_id      TEXT    NOT NULL PRIMARY KEY,
  last_seq    INTEGER NOT NULL CHECK (last_seq > 0),
  sealed_seq  INTEGER NOT NULL DEFAULT 0 CHECK (sealed_seq BETWEEN 0 AND last_seq),
  sealed_hash BLOB    CHECK (length(sealed_hash) = 32),
  -- A keyed code over organisation, `sealed_seq` and `sealed_hash`; null until the first seal.
  mac         BLOB CHECK (length(mac) = 32),
  -- The hashes of the rows that a statement seals: [[seq, hex], …]. Never there afterwards.
  sealing     TEXT CHECK (sealing IS NULL OR json_valid(sealing)),
  CHECK ((sealed_hash IS NULL) = (sealed_seq = 0))
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_heads_unsealed ON audit_heads (org_id) WHERE sealed_seq < last_seq;

CREATE TRIGGER audit_log_keeps BEFORE DELETE ON audit_log
BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;

-- A row is sealed once; nothing else of it ever changes.
CREATE TRIGGER audit_log_stands BEFORE UPDATE ON audit_log
WHEN old.hash IS NOT NULL OR new.hash IS NULL
  OR old.org_id <> new.org_id OR old.seq <> new.seq OR old.at <> new.at OR old.actor <> new.actor
  OR old.address <> new.address OR old.request_id <> new.request_id OR old.action <> new.action
  OR old.target_type <> new.target_type OR old.target_id <> new.target_id
  OR old.before IS NOT new.before OR old.after IS NOT new.after
BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;

CREATE TRIGGER audit_heads_sealing AFTER UPDATE OF sealing ON audit_heads
WHEN new.sealing IS NOT NULL
BEGIN
  UPDATE audit_log
     SET hash = unhex(seal.value ->> 1)
    FROM json_each(new.sealing) AS seal
   WHERE audit_log.org_id = new.org_id AND audit_log.seq = seal.value ->> 0 AND audit_log.hash IS NULL;
  UPDATE audit_heads SET sealing = NULL WHERE org_id = new.org_id;
END;

-- What the triggers of audited tables insert into: they say what changed, this unpacks who did it.
CREATE VIEW audit_entries (org_id, entry, target_type, target_id, before, after) AS
SELECT org_id, NULL, target_type, target_id, before, after FROM audit_log;

CREATE TRIGGER audit_entries_appended INSTEAD OF INSERT ON audit_entries
BEGIN
  INSERT INTO audit_heads (org_id, last_seq) VALUES (new.org_id, 1)
      ON CONFLICT (org_id) DO UPDATE SET last_seq = last_seq + 1;
  INSERT INTO audit_log (org_id, seq, at, actor, address, request_id, action, target_type, target_id, before, after)
  VALUES (new.org_id, (SELECT last_seq FROM audit_heads WHERE org_id = new.org_id),
          new.entry ->> 'at', new.entry ->> 'actor', new.entry ->> 'address', new.entry ->> 'request_id',
          new.entry ->> 'action', new.target_type, new.target_id, new.before,
          CASE WHEN new.entry -> 'details' IS NULL THEN new.after
               ELSE json_set(coalesce(new.after, '{}'), '$.details', json(new.entry -> 'details')) END);
END;

CREATE TRIGGER enrollment_tokens_creation_audited AFTER INSERT ON enrollment_tokens
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'enrollment_token', new.id, NULL,
          json_object('metadata', json(new.metadata), 'max_uses', new.max_uses, 'use_count', new.use_count,
                      'expires_at', new.expires_at));
  UPDATE enrollment_tokens SET audit = NULL WHERE id = new.id;
END;

-- A deletion is an entry of its own name: the row goes when that is written.
CREATE TRIGGER enrollment_tokens_change_audited AFTER UPDATE OF audit ON enrollment_tokens
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'enrollment_token', new.id,
          json_object('metadata', json(old.metadata), 'max_uses', old.max_uses, 'use_count', old.use_count,
                      'expires_at', old.expires_at),
          iif(new.audit ->> 'action' = 'token.revoke', NULL,
              json_object('metadata', json(new.metadata), 'max_uses', new.max_uses, 'use_count', new.use_count,
                          'expires_at', new.expires_at)));
  DELETE FROM enrollment_tokens WHERE id = new.id AND new.audit ->> 'action' = 'token.revoke';
  UPDATE enrollment_tokens SET audit = NULL WHERE id = new.id;
END;

CREATE TRIGGER agents_change_audited AFTER UPDATE OF audit ON agents
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'agent', new.id,
          json_object('hostname', old.hostname, 'status', old.status, 'tags', json(old.tags),
                      'rotation_started_at', old.rotation_started_at),
          json_object('hostname', new.hostname, 'status', new.status, 'tags', json(new.tags),
                      'rotation_started_at', new.rotation_started_at));
  UPDATE agents SET audit = NULL WHERE id = new.id;
END;

-- One call that makes many tasks names them in its entry, and is one row.
CREATE TRIGGER tasks_creation_audited AFTER INSERT ON tasks
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'task', new.id, NULL,
          json_object('agent_id', new.agent_id, 'batch_id', new.batch_id, 'type', new.type, 'status', new.status,
                      'priority', new.priority, 'payload', json(new.payload)));
  UPDATE tasks SET audit = NULL WHERE id = new.id;
END;

CREATE TRIGGER tasks_change_audited AFTER UPDATE OF audit ON tasks
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'task', new.id,
          json_object('agent_id', old.agent_id, 'batch_id', old.batch_id, 'type', old.type, 'status', old.status,
                      'notes', old.notes),
          iif(new.audit ->> 'action' = 'task.delete', NULL,
              json_object('agent_id', new.agent_id, 'batch_id', new.batch_id, 'type', new.type, 'status', new.status,
                          'notes', new.notes)));
  DELETE FROM tasks WHERE id = new.id AND new.audit ->> 'action' = 'task.delete';
  UPDATE tasks SET audit = NULL WHERE id = new.id;
END;

CREATE TRIGGER agent_releases_creation_audited AFTER INSERT ON agent_releases
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'version', new.version || '/' || new.os || '/' || new.arch, NULL,
          json_object('sha256', new.binary_sha256, 'size', new.binary_size, 'mandatory', new.mandatory,
                      'release_notes', new.release_notes));
  UPDATE agent_releases SET audit = NULL
   WHERE org_id = new.org_id AND version = new.version AND os = new.os AND arch = new.arch;
END;

CREATE TRIGGER agent_releases_change_audited AFTER UPDATE OF audit ON agent_releases
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'version', new.version || '/' || new.os || '/' || new.arch,
          json_object('sha256', old.binary_sha256, 'size', old.binary_size, 'mandatory', old.mandatory,
                      'release_notes', old.release_notes),
          iif(new.audit ->> 'action' = 'version.withdraw', NULL,
              json_object('sha256', new.binary_sha256, 'size', new.binary_size, 'mandatory', new.mandatory,
                          'release_notes', new.release_notes)));
  DELETE FROM agent_releases
   WHERE org_id = new.org_id AND version = new.version AND os = new.os AND arch = new.arch
     AND new.audit ->> 'action' = 'version.withdraw';
  UPDATE agent_releases SET audit = NULL
   WHERE org_id = new.org_id AND version = new.version AND os = new.os AND arch = new.arch;
END;

CREATE TRIGGER builds_creation_audited AFTER INSERT ON builds
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'build', new.test_uuid, NULL,
          json_object('os', new.os, 'arch', new.arch, 'filename', new.filename, 'sha256', new.sha256,
                      'size', new.size));
  UPDATE builds SET audit = NULL WHERE org_id = new.org_id AND test_uuid = new.test_uuid;
END;

CREATE TRIGGER builds_change_audited AFTER UPDATE OF audit ON builds
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'build', new.test_uuid,
          json_object('os', old.os, 'arch', old.arch, 'filename', old.filename, 'sha256', old.sha256,
                      'size', old.size),
          iif(new.audit ->> 'action' = 'build.remove', NULL,
              json_object('os', new.os, 'arch', new.arch, 'filename', new.filename, 'sha256', new.sha256,
                          'size', new.size)));
  DELETE FROM builds
   WHERE org_id = new.org_id AND test_uuid = new.test_uuid AND new.audit ->> 'action' = 'build.remove';
  UPDATE builds SET audit = NULL WHERE org_id = new.org_id AND test_uuid = new.test_uuid;
END;
-- People where no identity provider vouches for them, and what proves who somebody is:
-- accounts, invitations, sessions, logins of devices, API keys.

CREATE TABLE users (
  id              TEXT    NOT NULL PRIMARY KEY,
  org_id          TEXT    NOT NULL,
  email           TEXT    NOT NULL COLLATE NOCASE UNIQUE,
  name            TEXT    NOT NULL,
  -- PHC text.
  password_hash   TEXT    NOT NULL,
  -- Null is the least role.
  role            TEXT    CHECK (role IN ('admin', 'operator', 'analyst', 'explorer')),
  status          TEXT    NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
  -- The invitation that this account accepted.
  invitation_id   TEXT,
  -- The session that outlives the last change of the password.
  kept_session_id TEXT,
  last_active_at  INTEGER,
  created_at      INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL,
  audit           TEXT    CHECK (audit IS NULL OR json_valid(audit)),
  -- Who made this account, or invited whoever did; null where nobody of the application.
  created_by      TEXT
) STRICT;

CREATE INDEX users_by_org ON users (org_id, created_at, id);
CREATE INDEX users_admins ON users (org_id) WHERE role = 'admin' AND status = 'active';

CREATE TABLE invitations (
  id          TEXT    NOT NULL PRIMARY KEY,
  org_id      TEXT    NOT NULL,
  email       TEXT    NOT NULL COLLATE NOCASE,
  role        TEXT    NOT NULL CHECK (role IN ('admin', 'operator', 'analyst', 'explorer')),
  digest      BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
  created_at  INTEGER NOT NULL,
  created_by  TEXT    NOT NULL,
  expires_at  INTEGER NOT NULL,
  accepted_at INTEGER,
  revoked_at  INTEGER,
  updated_at  INTEGER NOT NULL,
  audit       TEXT    CHECK (audit IS NULL OR json_valid(audit))
) STRICT;

-- Whoever is invited again gets a new secret, not a second invitation.
CREATE UNIQUE INDEX invitations_pending ON invitations (org_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitations_by_org ON invitations (org_id, created_at DESC, id DESC);
CREATE INDEX invitations_by_age ON invitations (coalesce(accepted_at, revoked_at, expires_at));
CREATE INDEX invitations_by_inviter ON invitations (created_by) WHERE accepted_at IS NULL AND revoked_at IS NULL;

CREATE TABLE sessions (
  id             TEXT    NOT NULL PRIMARY KEY,
  kind           TEXT    NOT NULL CHECK (kind IN ('local', 'cli')),
  -- Null for people of an identity provider: organisation and role are then what they were at approval.
  account_id     TEXT    REFERENCES users (id) ON DELETE CASCADE,
  user_id        TEXT    NOT NULL,
  org_id         TEXT    NOT NULL,
  role           TEXT,
  -- Of the refresh token that is good now.
  refresh_digest BLOB    NOT NULL UNIQUE CHECK (length(refresh_digest) = 32),
  created_at     INTEGER NOT NULL,
  refreshed_at   INTEGER NOT NULL,
  expires_at     INTEGER NOT NULL,
  ended_at       INTEGER,
  audit          TEXT CHECK (audit IS NULL OR json_valid(audit)),
  CHECK (account_id IS NULL OR account_id = user_id),
  CHECK (kind = 'cli' OR account_id IS NOT NULL)
) STRICT;

CREATE INDEX sessions_by_account ON sessions (account_id, ended_at, created_at DESC, id DESC) WHERE account_id IS NOT NULL;
-- A session's retention begins when it ended, by whatever.
CREATE INDEX sessions_by_age ON sessions (coalesce(ended_at, expires_at));
CREATE INDEX sessions_by_person ON sessions (org_id, user_id) WHERE ended_at IS NULL;

-- Refresh tokens that were exchanged for others. Whoever presents one has a copy.
CREATE TABLE rotated_refresh_tokens (
  digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
  session_id TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  rotated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX rotated_refresh_tokens_by_session ON rotated_refresh_tokens (session_id);
-- Tokens go before their sessions.
CREATE INDEX rotated_refresh_tokens_by_age ON rotated_refresh_tokens (rotated_at);

CREATE TABLE device_logins (
  device_digest  BLOB    NOT NULL PRIMARY KEY CHECK (length(device_digest) = 32),
  user_code      TEXT    NOT NULL UNIQUE,
  created_at     INTEGER NOT NULL,
  expires_at     INTEGER NOT NULL,
  -- Who approved it.
  approved_at    INTEGER,
  account_id     TEXT    REFERENCES users (id) ON DELETE CASCADE,
  user_id        TEXT,
  org_id         TEXT,
  role           TEXT,
  -- The session that claiming begins.
  claimed_at     INTEGER,
  session_id     TEXT,
  refresh_digest BLOB,
  session_expires_at INTEGER,
  audit          TEXT    CHECK (audit IS NULL OR json_valid(audit)),
  -- The entry of the session that claiming begins.
  session_audit  TEXT CHECK (session_audit IS NULL OR json_valid(session_audit)),
  CHECK ((approved_at IS NULL) = (user_id IS NULL) AND (user_id IS NULL) = (org_id IS NULL))
) STRICT;

CREATE INDEX device_logins_by_age ON device_logins (expires_at);
CREATE INDEX device_logins_by_account ON device_logins (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX device_logins_by_person ON device_logins (org_id, user_id) WHERE user_id IS NOT NULL;

CREATE TABLE api_keys (
  id                TEXT    NOT NULL PRIMARY KEY,
  org_id            TEXT    NOT NULL,
  name              TEXT    NOT NULL,
  digest            BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
  prefix            TEXT    NOT NULL,
  scope             TEXT    NOT NULL CHECK (scope IN ('read', 'read-write', 'analyst', 'explorer')),
  created_at        INTEGER NOT NULL,
  created_by        TEXT    NOT NULL,
  expires_at        INTEGER,
  last_used_at      INTEGER,
  revoked_at        INTEGER,
  updated_at        INTEGER NOT NULL,
  budget_used       INTEGER NOT NULL DEFAULT 0,
  budget_started_at INTEGER NOT NULL DEFAULT 0,
  audit             TEXT    CHECK (audit IS NULL OR json_valid(audit))
) STRICT;

CREATE INDEX api_keys_by_org ON api_keys (org_id, created_at DESC, id DESC);

CREATE TRIGGER users_invited AFTER INSERT ON users
WHEN new.invitation_id IS NOT NULL
BEGIN
  UPDATE invitations SET accepted_at = new.created_at, updated_at = new.created_at WHERE id = new.invitation_id;
END;

-- A new password ends what the old one began, and what a device could still claim.
CREATE TRIGGER users_password_changed AFTER UPDATE OF password_hash ON users
BEGIN
  UPDATE sessions SET ended_at = new.updated_at
   WHERE account_id = new.id AND ended_at IS NULL AND id IS NOT new.kept_session_id;
  DELETE FROM device_logins WHERE account_id = new.id;
END;

CREATE TRIGGER users_disabled AFTER UPDATE OF status ON users
WHEN new.status = 'disabled'
BEGIN
  UPDATE sessions SET ended_at = new.updated_at WHERE account_id = new.id AND ended_at IS NULL;
  DELETE FROM device_logins WHERE account_id = new.id;
  UPDATE invitations SET revoked_at = new.updated_at, updated_at = new.updated_at
   WHERE created_by = new.id AND accepted_at IS NULL AND revoked_at IS NULL;
END;

-- Whom they invited nobody vouches for any more.
CREATE TRIGGER users_removed AFTER DELETE ON users
BEGIN
  UPDATE invitations SET revoked_at = old.updated_at, updated_at = old.updated_at
   WHERE created_by = old.id AND accepted_at IS NULL AND revoked_at IS NULL;
END;

-- An account has 50 living sessions at most. None is deleted here: with it would go all its refresh
-- tokens, and there may be thousands.
CREATE TRIGGER sessions_started AFTER INSERT ON sessions
BEGIN
  UPDATE users SET last_active_at = new.created_at WHERE id = new.account_id;
  UPDATE sessions SET ended_at = new.created_at
   WHERE id IN (SELECT id FROM sessions WHERE account_id = new.account_id AND ended_at IS NULL
                 ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET 50);
END;

CREATE TRIGGER sessions_refreshed AFTER UPDATE OF refreshed_at ON sessions
BEGIN
  UPDATE users SET last_active_at = new.refreshed_at WHERE id = new.account_id;
END;

CREATE TRIGGER sessions_rotated AFTER UPDATE OF refresh_digest ON sessions
BEGIN
  INSERT INTO rotated_refresh_tokens (digest, session_id, rotated_at)
  VALUES (old.refresh_digest, new.id, new.refreshed_at);
  -- A token that would have expired by now says nothing any more.
  DELETE FROM rotated_refresh_tokens
   WHERE session_id = new.id AND rotated_at < new.refreshed_at - 2592000000;
END;

CREATE TRIGGER device_logins_started AFTER INSERT ON device_logins
BEGIN
  DELETE FROM device_logins
   WHERE device_digest IN (SELECT device_digest FROM device_logins WHERE expires_at < new.created_at - 3600000
                            ORDER BY expires_at LIMIT 10);
END;

-- Claiming is one statement: it takes the approval, this begins the session and forgets the codes.
CREATE TRIGGER device_logins_claimed AFTER UPDATE OF claimed_at ON device_logins
BEGIN
  INSERT INTO sessions (id, kind, account_id, user_id, org_id, role, refresh_digest, created_at, refreshed_at, expires_at,
                        audit)
  VALUES (new.session_id, 'cli', new.account_id, new.user_id, new.org_id, new.role, new.refresh_digest,
          new.claimed_at, new.claimed_at, new.session_expires_at, new.session_audit);
  DELETE FROM device_logins WHERE device_digest = new.device_digest;
END;

-- The audit. Neither secrets nor digests of them are ever in it.
CREATE TRIGGER users_creation_audited AFTER INSERT ON users
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'user', new.id, NULL,
          json_object('email', new.email, 'name', new.name, 'role', new.role, 'status', new.status));
  UPDATE users SET audit = NULL WHERE id = new.id;
END;

CREATE TRIGGER users_change_audited AFTER UPDATE OF audit ON users
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'user', new.id,
          json_object('email', old.email, 'name', old.name, 'role', old.role, 'status', old.status),
          iif(new.audit ->> 'action' = 'user.remove', NULL,
              json_object('email', new.email, 'name', new.name, 'role', new.role, 'status', new.status)));
  DELETE FROM users WHERE id = new.id AND new.audit ->> 'action' = 'user.remove';
  UPDATE users SET audit = NULL WHERE id = new.id;
END;

CREATE TRIGGER invitations_creation_audited AFTER INSERT ON invitations
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'invitation', new.id, NULL,
          json_object('email', new.email, 'role', new.role, 'expires_at', new.expires_at));
  UPDATE invitations SET audit = NULL WHERE id = new.id;
END;

CREATE TRIGGER invitations_change_audited AFTER UPDATE OF audit ON invitations
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'invitation', new.id,
          json_object('email', old.email, 'role', old.role, 'expires_at', old.expires_at, 'revoked_at', old.revoked_at),
          json_object('email', new.email, 'role', new.role, 'expires_at', new.expires_at, 'revoked_at', new.revoked_at));
  UPDATE invitations SET audit = NULL WHERE id = new.id;
END;

CREATE TRIGGER device_logins_change_audited AFTER UPDATE OF audit ON device_logins
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'device_login', new.user_code, NULL,
          json_object('approved_by', new.user_id, 'role', new.role, 'expires_at', new.expires_at));
  UPDATE device_logins SET audit = NULL WHERE device_digest = new.device_digest;
END;

CREATE TRIGGER api_keys_creation_audited AFTER INSERT ON api_keys
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'api_key', new.id, NULL,
          json_object('name', new.name, 'prefix', new.prefix, 'scope', new.scope, 'expires_at', new.expires_at));
  UPDATE api_keys SET audit = NULL WHERE id = new.id;
END;

CREATE TRIGGER api_keys_change_audited AFTER UPDATE OF audit ON api_keys
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'api_key', new.id,
          json_object('name', old.name, 'scope', old.scope, 'revoked_at', old.revoked_at),
          json_object('name', new.name, 'scope', new.scope, 'revoked_at', new.revoked_at));
  UPDATE api_keys SET audit = NULL WHERE id = new.id;
END;

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

  CHECK (is_bundle_control = (bundle_id IS NOT NULL)),
  CHECK (is_bundle_control = (control_id IS NOT NULL))
) STRICT;

CREATE INDEX results_by_time ON results (org_id, event_at, outcome);
CREATE INDEX results_by_test ON results (org_id, test_uuid, event_at);
CREATE INDEX results_by_host ON results (org_id, hostname, event_at);

-- The documents of fleet.md §6.9, made when they are asked for.
CREATE VIEW result_documents (id, task_id, document) AS
SELECT id, task_id, json_patch(
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
      'tenant_label', tenant_label)))
  FROM results;

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

-- What waits for a second person: work that an organisation lets nobody do alone.
CREATE TABLE approvals (
  id           TEXT    NOT NULL PRIMARY KEY,
  org_id       TEXT    NOT NULL,
  kind         TEXT    NOT NULL CHECK (kind IN ('command', 'uninstall', 'mandatory_update', 'settings')),
  -- What it is about, for whoever decides.
  summary      TEXT    NOT NULL CHECK (json_type(summary) = 'object'),
  -- What the decision sets free: a batch of tasks, a release, or a setting.
  work         TEXT    NOT NULL CHECK (json_type(work) = 'object'),
  status       TEXT    NOT NULL DEFAULT 'pending_approval'
               CHECK (status IN ('pending_approval', 'approved', 'denied', 'expired')),
  requested_by TEXT    NOT NULL,
  requested_at INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  -- Null where time decided.
  decided_by   TEXT,
  decided_at   INTEGER,
  reason       TEXT,
  updated_at   INTEGER NOT NULL,
  audit        TEXT    CHECK (audit IS NULL OR json_valid(audit)),
  CHECK ((decided_at IS NULL) = (status = 'pending_approval'))
) STRICT;

CREATE INDEX approvals_by_org    ON approvals (org_id, requested_at DESC, id DESC);
CREATE INDEX approvals_by_status ON approvals (org_id, status, requested_at DESC, id DESC);
CREATE INDEX approvals_expiring  ON approvals (expires_at) WHERE status = 'pending_approval';
CREATE INDEX approvals_by_age    ON approvals (decided_at) WHERE decided_at IS NOT NULL;

-- The decision and what it sets free are one statement. Agents that are gone since get nothing.
CREATE TRIGGER approvals_granted AFTER UPDATE OF status ON approvals
WHEN old.status = 'pending_approval' AND new.status = 'approved'
BEGIN
  INSERT INTO tasks (id, agent_id, org_id, type, priority, payload, execution_timeout_seconds, ttl_seconds,
                     created_at, expires_at, created_by, batch_id, max_retries)
  SELECT wanted.value ->> 0, agents.id, agents.org_id, new.work ->> 'type', new.work ->> 'priority',
         new.work ->> 'payload', new.work ->> 'execution_timeout_seconds', new.work ->> 'ttl_seconds',
         new.decided_at, new.decided_at + (new.work ->> 'ttl_seconds') * 1000, new.requested_by,
         new.work ->> 'batch_id', new.work ->> 'max_retries'
    FROM json_each(new.work, '$.assignments') AS wanted CROSS JOIN agents ON agents.id = wanted.value ->> 1
   WHERE new.kind IN ('command', 'uninstall')
     AND agents.org_id = new.org_id AND agents.status IN ('active', 'disabled');

  UPDATE agent_releases
     SET awaiting_approval = NULL
   WHERE new.kind = 'mandatory_update' AND org_id = new.org_id AND version = new.work ->> 'version'
     AND os = new.work ->> 'os' AND arch = new.work ->> 'arch' AND awaiting_approval = new.id;

  INSERT INTO release_promotions (org_id, os, arch, version, promoted_at, promoted_by)
  SELECT org_id, os, arch, version, new.decided_at, new.requested_by
    FROM agent_releases
   WHERE new.kind = 'mandatory_update' AND new.work ->> 'promotes' = 1
     AND org_id = new.org_id AND version = new.work ->> 'version'
     AND os = new.work ->> 'os' AND arch = new.work ->> 'arch'
     AND binary_sha256 = new.work ->> 'sha256' AND awaiting_approval IS NULL
      ON CONFLICT (org_id, os, arch) DO UPDATE
     SET version = excluded.version, promoted_at = excluded.promoted_at, promoted_by = excluded.promoted_by;

  INSERT INTO organization_settings (org_id, name, value, updated_at, updated_by)
  SELECT new.org_id, 'approvals', new.work -> 'value', new.decided_at, new.requested_by
   WHERE new.kind = 'settings'
      ON CONFLICT (org_id, name) DO UPDATE
     SET value = excluded.value, version = version + 1, updated_at = excluded.updated_at,
         updated_by = excluded.updated_by;
END;

CREATE TRIGGER approvals_request_audited AFTER INSERT ON approvals
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'approval', new.id, NULL,
          json_object('kind', new.kind, 'status', new.status, 'summary', json(new.summary)));
  UPDATE approvals SET audit = NULL WHERE id = new.id;
END;

CREATE TRIGGER approvals_decision_audited AFTER UPDATE OF audit ON approvals
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'approval', new.id,
          json_object('kind', old.kind, 'status', old.status),
          json_object('kind', new.kind, 'status', new.status, 'requested_by', new.requested_by,
                      'reason', new.reason, 'summary', json(new.summary)));
  UPDATE approvals SET audit = NULL WHERE id = new.id;
END;

-- A mandatory release that waits is registered and asks for its approval in the same statement. One
-- that is registered again asks anew.
CREATE TRIGGER agent_releases_withheld AFTER INSERT ON agent_releases
WHEN new.awaiting_approval IS NOT NULL
BEGIN
  INSERT INTO approvals (id, org_id, kind, summary, work, requested_by, requested_at, expires_at, updated_at)
  VALUES (new.awaiting_approval, new.org_id, 'mandatory_update',
          json_object('version', new.version, 'os', new.os, 'arch', new.arch, 'sha256', new.binary_sha256,
                      'size', new.binary_size, 'release_notes', new.release_notes),
          json_object('version', new.version, 'os', new.os, 'arch', new.arch),
          new.created_by, new.created_at, new.created_at + 86400000, new.created_at);
END;

CREATE TRIGGER agent_releases_withheld_again AFTER UPDATE OF awaiting_approval ON agent_releases
WHEN new.awaiting_approval IS NOT old.awaiting_approval
BEGIN
  UPDATE approvals
     SET status = 'expired', decided_at = new.created_at, updated_at = new.created_at
   WHERE id = old.awaiting_approval AND status = 'pending_approval';
  INSERT INTO approvals (id, org_id, kind, summary, work, requested_by, requested_at, expires_at, updated_at)
  SELECT new.awaiting_approval, new.org_id, 'mandatory_update',
         json_object('version', new.version, 'os', new.os, 'arch', new.arch, 'sha256', new.binary_sha256,
                     'size', new.binary_size, 'release_notes', new.release_notes),
         json_object('version', new.version, 'os', new.os, 'arch', new.arch),
         new.created_by, new.created_at, new.created_at + 86400000, new.created_at
   WHERE new.awaiting_approval IS NOT NULL;
END;

-- Blobs that no row referred to (their digest) and uploads whose chunks no blob named (their id), when
-- a run of the housekeeping last saw them so, and since when every run did.
CREATE TABLE blob_suspects (
  name          TEXT    NOT NULL PRIMARY KEY,
  first_seen_at INTEGER NOT NULL,
  last_seen_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX blob_suspects_by_sight ON blob_suspects (last_seen_at);

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

-- Everybody an account descends from. It outlives the accounts: nobody is forgotten by being removed.
CREATE TABLE user_lineage (
  user_id     TEXT NOT NULL,
  ancestor_id TEXT NOT NULL,
  PRIMARY KEY (user_id, ancestor_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER users_descended AFTER INSERT ON users
WHEN new.created_by IS NOT NULL
BEGIN
  INSERT OR IGNORE INTO user_lineage (user_id, ancestor_id) VALUES (new.id, new.created_by);
  INSERT OR IGNORE INTO user_lineage (user_id, ancestor_id)
  SELECT new.id, ancestor_id FROM user_lineage WHERE user_id = new.created_by;
END;

-- Other bytes under the same version ask anew for their promotion.
CREATE TRIGGER agent_releases_replaced AFTER UPDATE OF binary_sha256 ON agent_releases
WHEN old.binary_sha256 <> new.binary_sha256
BEGIN
  UPDATE approvals
     SET status = 'expired', decided_at = new.created_at, updated_at = new.created_at
   WHERE org_id = new.org_id AND status = 'pending_approval' AND kind = 'mandatory_update'
     AND work ->> 'promotes' = 1
     AND work ->> 'version' = new.version AND work ->> 'os' = new.os AND work ->> 'arch' = new.arch;
END;

CREATE TRIGGER sessions_start_audited AFTER INSERT ON sessions
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'session', new.id, NULL,
          json_object('kind', new.kind, 'user_id', new.user_id, 'expires_at', new.expires_at));
  UPDATE sessions SET audit = NULL WHERE id = new.id;
END;

CREATE TRIGGER sessions_change_audited AFTER UPDATE OF audit ON sessions
WHEN new.audit IS NOT NULL
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.audit, 'session', new.id,
          json_object('kind', old.kind, 'user_id', old.user_id, 'ended_at', old.ended_at),
          json_object('kind', new.kind, 'user_id', new.user_id, 'ended_at', new.ended_at));
  UPDATE sessions SET audit = NULL WHERE id = new.id;
END;

-- Inserting here ends every session of a person in an organisation, as one row of the log.
CREATE VIEW session_endings (org_id, user_id, entry, ended) AS
SELECT org_id, user_id, NULL, 0 FROM sessions;

CREATE TRIGGER session_endings_ordered INSTEAD OF INSERT ON session_endings
BEGIN
  INSERT INTO audit_entries (org_id, entry, target_type, target_id, before, after)
  VALUES (new.org_id, new.entry, 'user', new.user_id,
          json_object('sessions', (SELECT json_group_array(json_object('id', id, 'kind', kind, 'created_at', created_at))
                                     FROM sessions
                                    WHERE org_id = new.org_id AND user_id = new.user_id AND ended_at IS NULL)),
          NULL);
  UPDATE sessions SET ended_at = new.entry ->> 'at'
   WHERE org_id = new.org_id AND user_id = new.user_id AND ended_at IS NULL;
  DELETE FROM device_logins WHERE org_id = new.org_id AND user_id = new.user_id;
END;

-- How many tasks there are, by all that a total or a metric is asked for.
CREATE TABLE task_counts (
  org_id TEXT    NOT NULL,
  status TEXT    NOT NULL,
  type   TEXT    NOT NULL,
  tasks  INTEGER NOT NULL,
  PRIMARY KEY (org_id, status, type)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER tasks_retallied AFTER UPDATE OF status ON tasks
WHEN old.status <> new.status
BEGIN
  UPDATE task_counts SET tasks = tasks - 1 WHERE org_id = old.org_id AND status = old.status AND type = old.type;
  INSERT INTO task_counts (org_id, status, type, tasks)
  VALUES (new.org_id, new.status, new.type, 1)
      ON CONFLICT (org_id, status, type) DO UPDATE SET tasks = tasks + 1;
END;

-- What tasks are about, once: a search reads these instead of every payload.
CREATE TABLE task_subjects (
  id        INTEGER NOT NULL PRIMARY KEY,
  org_id    TEXT    NOT NULL,
  test_name TEXT    NOT NULL,
  command   TEXT    NOT NULL,
  tasks     INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX task_subjects_by_words ON task_subjects (org_id, test_name, command);

CREATE INDEX tasks_by_type ON tasks (org_id, type, created_at DESC, id DESC);
CREATE INDEX tasks_by_subject ON tasks (org_id, subject_id, created_at DESC, id DESC, agent_id);

-- Which batches there are, and when the newest task of each was made.
CREATE TABLE task_batches (
  org_id    TEXT    NOT NULL,
  batch_id  TEXT    NOT NULL,
  newest_at INTEGER NOT NULL,
  PRIMARY KEY (org_id, batch_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX task_batches_by_age ON task_batches (org_id, newest_at DESC, batch_id DESC);

CREATE TRIGGER tasks_listed AFTER INSERT ON tasks
BEGIN
  INSERT INTO task_counts (org_id, status, type, tasks)
  VALUES (new.org_id, new.status, new.type, 1)
      ON CONFLICT (org_id, status, type) DO UPDATE SET tasks = tasks + 1;

  INSERT INTO task_batches (org_id, batch_id, newest_at)
  VALUES (new.org_id, new.batch_id, new.created_at)
      ON CONFLICT (org_id, batch_id) DO UPDATE SET newest_at = excluded.newest_at WHERE excluded.newest_at > newest_at;

  INSERT INTO task_subjects (org_id, test_name, command, tasks)
  VALUES (new.org_id, coalesce(CAST(new.payload ->> '$.test_name' AS TEXT), ''),
          coalesce(CAST(new.payload ->> '$.command' AS TEXT), ''), 1)
      ON CONFLICT (org_id, test_name, command) DO UPDATE SET tasks = tasks + 1;
  UPDATE tasks
     SET subject_id = (SELECT id FROM task_subjects
                        WHERE org_id = new.org_id
                          AND test_name = coalesce(CAST(new.payload ->> '$.test_name' AS TEXT), '')
                          AND command = coalesce(CAST(new.payload ->> '$.command' AS TEXT), ''))
   WHERE id = new.id;
END;

CREATE TRIGGER tasks_unlisted AFTER DELETE ON tasks
BEGIN
  UPDATE task_counts SET tasks = tasks - 1 WHERE org_id = old.org_id AND status = old.status AND type = old.type;

  UPDATE task_batches
     SET newest_at = coalesce((SELECT max(created_at) FROM tasks
                                WHERE org_id = old.org_id AND batch_id = old.batch_id), -1)
   WHERE org_id = old.org_id AND batch_id = old.batch_id;
  DELETE FROM task_batches WHERE org_id = old.org_id AND batch_id = old.batch_id AND newest_at = -1;

  UPDATE task_subjects SET tasks = tasks - 1 WHERE id = old.subject_id;
  DELETE FROM task_subjects WHERE id = old.subject_id AND tasks <= 0;
END;

-- Who is idle: the hour of the last test that an agent completed (hours since the epoch, 0 for none),
-- and whether it was ever heard of. Neither moves with a heartbeat or more often than hourly.
CREATE INDEX agents_idle ON agents (org_id, completed_hour) WHERE status = 'active' AND heard = 1;

CREATE TRIGGER agent_days_completed AFTER INSERT ON agent_days
WHEN new.last_completed_at IS NOT NULL
BEGIN
  UPDATE agents SET completed_hour = new.last_completed_at / 3600000
   WHERE id = new.agent_id AND completed_hour < new.last_completed_at / 3600000;
END;

CREATE TRIGGER agent_days_completed_more AFTER UPDATE OF last_completed_at ON agent_days
WHEN new.last_completed_at / 3600000 > coalesce(old.last_completed_at / 3600000, 0)
BEGIN
  UPDATE agents SET completed_hour = new.last_completed_at / 3600000
   WHERE id = new.agent_id AND completed_hour < new.last_completed_at / 3600000;
END;

-- The mean score of a large fleet, as the last maintenance found it.
CREATE TABLE fleet_scores (
  org_id        TEXT    NOT NULL PRIMARY KEY,
  average_score REAL    NOT NULL,
  judged_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
