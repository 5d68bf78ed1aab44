-- What goes with a release that is withdrawn, promotions that wait for a second person, and whose
-- accounts are one person's.

-- Who made this account, or invited whoever did; null where nobody of the application.
ALTER TABLE users ADD COLUMN created_by TEXT;

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

-- What accepted an invitation so far has its inviter.
UPDATE users
   SET created_by = (SELECT created_by FROM invitations WHERE id = users.invitation_id)
 WHERE invitation_id IS NOT NULL;

INSERT INTO user_lineage (user_id, ancestor_id)
WITH RECURSIVE lineage (user_id, ancestor_id) AS (
  SELECT id, created_by FROM users WHERE created_by IS NOT NULL
   UNION
  SELECT lineage.user_id, users.created_by
    FROM lineage JOIN users ON users.id = lineage.ancestor_id
   WHERE users.created_by IS NOT NULL
)
SELECT user_id, ancestor_id FROM lineage;

-- A release that is gone is neither promoted nor waited for.
DROP TRIGGER agent_releases_gone;
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

-- The decision and what it sets free are one statement. Agents that are gone since get nothing, and
-- other bytes than those that were asked for are not promoted.
DROP TRIGGER approvals_granted;
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
