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

-- Where each organisation's log ends, and how far it is sealed.
CREATE TABLE audit_heads (
  org_id      TEXT    NOT NULL PRIMARY KEY,
  last_seq    INTEGER NOT NULL CHECK (last_seq > 0),
  sealed_seq  INTEGER NOT NULL DEFAULT 0 CHECK (sealed_seq BETWEEN 0 AND last_seq),
  sealed_hash BLOB    CHECK (length(sealed_hash) = 32),
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

CREATE TRIGGER audit_log_sealed AFTER UPDATE OF hash ON audit_log
BEGIN
  UPDATE audit_heads
     SET sealed_seq = new.seq, sealed_hash = new.hash
   WHERE org_id = new.org_id AND sealed_seq < new.seq;
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

ALTER TABLE enrollment_tokens ADD COLUMN audit TEXT CHECK (audit IS NULL OR json_valid(audit));
ALTER TABLE agents            ADD COLUMN audit TEXT CHECK (audit IS NULL OR json_valid(audit));
ALTER TABLE tasks             ADD COLUMN audit TEXT CHECK (audit IS NULL OR json_valid(audit));
ALTER TABLE agent_releases    ADD COLUMN audit TEXT CHECK (audit IS NULL OR json_valid(audit));
ALTER TABLE builds            ADD COLUMN audit TEXT CHECK (audit IS NULL OR json_valid(audit));
ALTER TABLE schedules         ADD COLUMN audit TEXT CHECK (audit IS NULL OR json_valid(audit));

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
