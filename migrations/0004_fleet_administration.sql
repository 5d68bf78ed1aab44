-- Administration of a fleet: settings of an organisation, numbers that lists and metrics read
-- instead of counting rows, promotion of releases, the catalog of tests.

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

INSERT INTO agent_counts (org_id, status, os, agent_version, agents)
SELECT org_id, status, os, agent_version, count(*) FROM agents GROUP BY org_id, status, os, agent_version;

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

-- A search by host name reads this index and nothing else. No heartbeat changes it.
DROP INDEX agents_by_status;
CREATE INDEX agents_by_status ON agents (org_id, status, os, hostname);

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

INSERT OR IGNORE INTO agent_tags (org_id, tag, status, os, hostname, agent_id)
SELECT org_id, value, status, os, hostname, agents.id FROM agents, json_each(tags);

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

INSERT INTO agent_days (agent_id, day, samples)
SELECT agent_id, bucket_at / 86400000, count(*) FROM heartbeat_history GROUP BY agent_id, bucket_at / 86400000;

INSERT INTO fleet_days (org_id, day, samples)
SELECT org_id, day, sum(samples) FROM agent_days JOIN agents ON agents.id = agent_id GROUP BY org_id, day;

INSERT INTO agent_days (agent_id, day, completed, failed, last_completed_at)
SELECT agent_id, completed_at / 86400000, sum(status = 'completed'), sum(status = 'failed'),
       max(iif(status = 'completed', completed_at, NULL))
  FROM tasks
 WHERE status IN ('completed', 'failed') AND completed_at IS NOT NULL
 GROUP BY agent_id, completed_at / 86400000
    ON CONFLICT (agent_id, day) DO UPDATE
   SET completed = excluded.completed, failed = excluded.failed, last_completed_at = excluded.last_completed_at;

INSERT INTO agent_days (agent_id, day, silences)
SELECT agent_id, created_at / 86400000, count(*)
  FROM agent_events
 WHERE event_type = 'went_offline'
 GROUP BY agent_id, created_at / 86400000
    ON CONFLICT (agent_id, day) DO UPDATE SET silences = excluded.silences;

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
