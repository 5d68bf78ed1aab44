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
  audit           TEXT    CHECK (audit IS NULL OR json_valid(audit))
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
  CHECK (account_id IS NULL OR account_id = user_id),
  CHECK (kind = 'cli' OR account_id IS NOT NULL)
) STRICT;

CREATE INDEX sessions_by_account ON sessions (account_id, created_at DESC, id DESC) WHERE account_id IS NOT NULL;
CREATE INDEX sessions_by_age ON sessions (expires_at);

-- Refresh tokens that were exchanged for others. Whoever presents one has a copy.
CREATE TABLE rotated_refresh_tokens (
  digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
  session_id TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  rotated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX rotated_refresh_tokens_by_session ON rotated_refresh_tokens (session_id);

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
  CHECK ((approved_at IS NULL) = (user_id IS NULL) AND (user_id IS NULL) = (org_id IS NULL))
) STRICT;

CREATE INDEX device_logins_by_age ON device_logins (expires_at);
CREATE INDEX device_logins_by_account ON device_logins (account_id) WHERE account_id IS NOT NULL;

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

-- A new password ends what the old one began.
CREATE TRIGGER users_password_changed AFTER UPDATE OF password_hash ON users
BEGIN
  UPDATE sessions SET ended_at = new.updated_at
   WHERE account_id = new.id AND ended_at IS NULL AND id IS NOT new.kept_session_id;
END;

CREATE TRIGGER users_disabled AFTER UPDATE OF status ON users
WHEN new.status = 'disabled'
BEGIN
  UPDATE sessions SET ended_at = new.updated_at WHERE account_id = new.id AND ended_at IS NULL;
END;

-- Beginning sessions also sweeps them: an account has 50 at most, and the long dead go ten at a time.
CREATE TRIGGER sessions_started AFTER INSERT ON sessions
BEGIN
  UPDATE users SET last_active_at = new.created_at WHERE id = new.account_id;
  DELETE FROM sessions
   WHERE id IN (SELECT id FROM sessions WHERE account_id = new.account_id
                 ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET 50);
  DELETE FROM sessions
   WHERE id IN (SELECT id FROM sessions WHERE expires_at < new.created_at - 2592000000
                 ORDER BY expires_at LIMIT 10);
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
  INSERT INTO sessions (id, kind, account_id, user_id, org_id, role, refresh_digest, created_at, refreshed_at, expires_at)
  VALUES (new.session_id, 'cli', new.account_id, new.user_id, new.org_id, new.role, new.refresh_digest,
          new.claimed_at, new.claimed_at, new.session_expires_at);
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
