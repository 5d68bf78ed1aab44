-- Lists that stay fast in a large fleet: what totals are read from, and indexes for every filter.

-- How many tasks there are, by all that a total or a metric is asked for.
CREATE TABLE task_counts (
  org_id TEXT    NOT NULL,
  status TEXT    NOT NULL,
  type   TEXT    NOT NULL,
  tasks  INTEGER NOT NULL,
  PRIMARY KEY (org_id, status, type)
) STRICT, WITHOUT ROWID;

INSERT INTO task_counts (org_id, status, type, tasks)
SELECT org_id, status, type, count(*) FROM tasks GROUP BY org_id, status, type;

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

ALTER TABLE tasks ADD COLUMN subject_id INTEGER;

INSERT INTO task_subjects (org_id, test_name, command, tasks)
SELECT org_id, coalesce(CAST(payload ->> '$.test_name' AS TEXT), '') AS test_name,
       coalesce(CAST(payload ->> '$.command' AS TEXT), '') AS command, count(*)
  FROM tasks
 GROUP BY 1, 2, 3;

UPDATE tasks
   SET subject_id = (SELECT id FROM task_subjects
                      WHERE org_id = tasks.org_id
                        AND test_name = coalesce(CAST(tasks.payload ->> '$.test_name' AS TEXT), '')
                        AND command = coalesce(CAST(tasks.payload ->> '$.command' AS TEXT), ''));

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

INSERT INTO task_batches (org_id, batch_id, newest_at)
SELECT org_id, batch_id, max(created_at) FROM tasks GROUP BY org_id, batch_id;

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
ALTER TABLE agents ADD COLUMN heard INTEGER NOT NULL DEFAULT 0 CHECK (heard IN (0, 1));
ALTER TABLE agents ADD COLUMN completed_hour INTEGER NOT NULL DEFAULT 0;

UPDATE agents
   SET heard = last_heartbeat_at IS NOT NULL,
       completed_hour = coalesce((SELECT max(last_completed_at) / 3600000 FROM agent_days WHERE agent_id = agents.id), 0);

CREATE INDEX agents_idle ON agents (org_id, completed_hour) WHERE status = 'active' AND heard = 1;

-- An organisation's list shows who is idle without a look at the rows of those who are not.
DROP INDEX agents_by_org;
CREATE INDEX agents_by_org ON agents (org_id, last_heartbeat_at, id DESC, offline_at, status, completed_hour);

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

-- Events of one kind are found by their agent.
DROP INDEX agent_events_by_type;
CREATE INDEX agent_events_by_type ON agent_events (agent_id, event_type, created_at DESC, id DESC);

DROP TRIGGER agents_came_online;
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

-- Results that wait to be stored, in the order of their next attempts: of all, and of one organisation.
DROP INDEX tasks_ingestible;
CREATE INDEX tasks_ingestible ON tasks (coalesce(next_ingest_at, completed_at))
 WHERE status = 'completed' AND type = 'execute_test' AND ingested = 0 AND ingest_attempts < 10;
CREATE INDEX tasks_ingestible_by_org ON tasks (org_id, coalesce(next_ingest_at, completed_at))
 WHERE status = 'completed' AND type = 'execute_test' AND ingested = 0 AND ingest_attempts < 10;
