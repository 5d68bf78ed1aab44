-- Retention: what housekeeping looks at, by age, and what it suspects to be nobody's. And runs that
-- nobody could take say so.

-- Blobs that no row referred to (their digest) and uploads whose chunks no blob named (their id), when
-- a run of the housekeeping last saw them so, and since when every run did.
CREATE TABLE blob_suspects (
  name          TEXT    NOT NULL PRIMARY KEY,
  first_seen_at INTEGER NOT NULL,
  last_seen_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX blob_suspects_by_sight ON blob_suspects (last_seen_at);

CREATE INDEX agent_events_by_age ON agent_events (created_at);
CREATE INDEX fleet_days_by_age ON fleet_days (day);

-- A session's retention begins when it ended, by whatever.
DROP INDEX sessions_by_age;
CREATE INDEX sessions_by_age ON sessions (coalesce(ended_at, expires_at));

-- Beginning sessions also sweeps them: an account has 50 at most, and the long dead go ten at a time.
DROP TRIGGER sessions_started;
CREATE TRIGGER sessions_started AFTER INSERT ON sessions
BEGIN
  UPDATE users SET last_active_at = new.created_at WHERE id = new.account_id;
  DELETE FROM sessions
   WHERE id IN (SELECT id FROM sessions WHERE account_id = new.account_id
                 ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET 50);
  DELETE FROM sessions
   WHERE id IN (SELECT id FROM sessions WHERE coalesce(ended_at, expires_at) < new.created_at - 2592000000
                 ORDER BY coalesce(ended_at, expires_at) LIMIT 10);
END;

CREATE INDEX invitations_by_age ON invitations (coalesce(accepted_at, revoked_at, expires_at));

CREATE INDEX approvals_by_age ON approvals (decided_at) WHERE decided_at IS NOT NULL;
-- A mandatory release that was refused stays withheld by its approval.
CREATE INDEX agent_releases_awaiting ON agent_releases (awaiting_approval) WHERE awaiting_approval IS NOT NULL;

-- A run is one statement: it claims the occurrence, this makes the tasks. Agents that are not active,
-- of another platform than the build, or still at the task before, get none. Where that is all of
-- them, the schedule says so.
DROP TRIGGER schedules_fired;
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
