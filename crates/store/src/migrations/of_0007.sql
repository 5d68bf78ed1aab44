-- What the seventh schema added: whom somebody invited, sessions that live and that ended, and keys.

INSERT INTO invitations (id, org_id, email, role, digest, created_at, created_by, expires_at, updated_at)
VALUES ('i1', 'acme', 'bob@example.org', 'analyst', randomblob(32), 1800000000000, 'ada', 1800604800000, 1800000000000),
       ('i2', 'acme', 'eve@example.org', 'admin', randomblob(32), 1800000000000, 'ada', 1800604800000, 1800000000000);

INSERT INTO users (id, org_id, email, name, password_hash, role, invitation_id, created_at, updated_at)
VALUES ('ada', 'acme', 'ada@example.org', 'Ada', '$argon2id$', 'admin', NULL, 1800000000000, 1800000000000),
       ('bob', 'acme', 'bob@example.org', 'Bob', '$argon2id$', 'analyst', 'i1', 1800000000001, 1800000000001);

INSERT INTO sessions (id, kind, account_id, user_id, org_id, refresh_digest, created_at, refreshed_at, expires_at, ended_at)
VALUES ('s1', 'local', 'ada', 'ada', 'acme', randomblob(32), 1800000000000, 1800000000000, 1802592000000, NULL),
       ('s2', 'cli', NULL, 'user_2ab', 'acme', randomblob(32), 1800000000000, 1800000000000, 1802592000000, 1800000000001);
UPDATE sessions SET refresh_digest = randomblob(32), refreshed_at = 1800000900000 WHERE id = 's1';

INSERT INTO device_logins (device_digest, user_code, created_at, expires_at)
VALUES (randomblob(32), 'ABCD-2345', 1800000000000, 1800000600000);

INSERT INTO api_keys (id, org_id, name, digest, prefix, scope, created_at, created_by, updated_at)
VALUES ('key', 'acme', 'reports', randomblob(32), 'ak', 'read', 1800000000000, 'ada', 1800000000000);
