-- Tasks under administration: retries with back-off, notes with a version, and what the approval
-- of a second person holds back.

-- A retry is not offered earlier.
ALTER TABLE tasks ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;
-- Of all notes ever written, of which the history keeps the last hundred.
ALTER TABLE tasks ADD COLUMN notes_count INTEGER NOT NULL DEFAULT 0;
-- Set by whoever removes many at once; the row goes with that.
ALTER TABLE tasks ADD COLUMN removed INTEGER NOT NULL DEFAULT 0 CHECK (removed IN (0, 1));

CREATE TRIGGER tasks_removed AFTER UPDATE OF removed ON tasks
WHEN new.removed = 1
BEGIN
  DELETE FROM tasks WHERE id = new.id;
END;

-- One retry per failure, and the way from a task to the retries after it.
CREATE UNIQUE INDEX tasks_retried ON tasks (original_task_id, retry_count) WHERE original_task_id IS NOT NULL;

-- Groups are found and ordered without a look at their rows.
DROP INDEX tasks_by_batch;
CREATE INDEX tasks_by_batch ON tasks (org_id, batch_id, created_at);

-- A test that failed because its time or its agent ran out is tried again (D-21, D-71), a minute
-- later at first and each time after twice as long. A command is not: it may have done its work.
DROP TRIGGER tasks_failed;
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

-- The approval that a mandatory release waits for; nobody is offered it before.
ALTER TABLE agent_releases ADD COLUMN awaiting_approval TEXT;

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
