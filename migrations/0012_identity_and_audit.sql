-- The head of a log proves itself, sessions are audited, and what somebody began ends with their right to it.

-- A keyed code over organisation, `sealed_seq` and `sealed_hash`; null until the first seal.
ALTER TABLE audit_heads ADD COLUMN mac BLOB CHECK (length(mac) = 32);
-- The hashes of the rows that a statement seals: [[seq, hex], …]. Never there afterwards.
ALTER TABLE audit_heads ADD COLUMN sealing TEXT CHECK (sealing IS NULL OR json_valid(sealing));

DROP TRIGGER audit_log_sealed;

CREATE TRIGGER audit_heads_sealing AFTER UPDATE OF sealing ON audit_heads
WHEN new.sealing IS NOT NULL
BEGIN
  UPDATE audit_log
     SET hash = unhex(seal.value ->> 1)
    FROM json_each(new.sealing) AS seal
   WHERE audit_log.org_id = new.org_id AND audit_log.seq = seal.value ->> 0 AND audit_log.hash IS NULL;
  UPDATE audit_heads SET sealing = NULL WHERE org_id = new.org_id;
END;

ALTER TABLE sessions ADD COLUMN audit TEXT CHECK (audit IS NULL OR json_valid(audit));
-- The entry of the session that claiming begins.
ALTER TABLE device_logins ADD COLUMN session_audit TEXT CHECK (session_audit IS NULL OR json_valid(session_audit));

CREATE INDEX sessions_by_person ON sessions (org_id, user_id) WHERE ended_at IS NULL;
CREATE INDEX device_logins_by_person ON device_logins (org_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX invitations_by_inviter ON invitations (created_by) WHERE accepted_at IS NULL AND revoked_at IS NULL;

DROP TRIGGER users_password_changed;
DROP TRIGGER users_disabled;
DROP TRIGGER device_logins_claimed;

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

CREATE TRIGGER device_logins_claimed AFTER UPDATE OF claimed_at ON device_logins
BEGIN
  INSERT INTO sessions (id, kind, account_id, user_id, org_id, role, refresh_digest, created_at, refreshed_at, expires_at,
                        audit)
  VALUES (new.session_id, 'cli', new.account_id, new.user_id, new.org_id, new.role, new.refresh_digest,
          new.claimed_at, new.claimed_at, new.session_expires_at, new.session_audit);
  DELETE FROM device_logins WHERE device_digest = new.device_digest;
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
