-- Statements that read and write no more than they are about.

-- Of an agent's tasks only those that wait, not all it ever had.
DROP TRIGGER agents_status_changed;

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

-- Refresh tokens go before their sessions, in batches of their own.
CREATE INDEX rotated_refresh_tokens_by_age ON rotated_refresh_tokens (rotated_at);

-- Beginning a session deletes none: with it would go all its refresh tokens, and there may be thousands.
DROP INDEX sessions_by_account;
CREATE INDEX sessions_by_account ON sessions (account_id, ended_at, created_at DESC, id DESC) WHERE account_id IS NOT NULL;

-- An account has 50 living sessions at most.
DROP TRIGGER sessions_started;
CREATE TRIGGER sessions_started AFTER INSERT ON sessions
BEGIN
  UPDATE users SET last_active_at = new.created_at WHERE id = new.account_id;
  UPDATE sessions SET ended_at = new.created_at
   WHERE id IN (SELECT id FROM sessions WHERE account_id = new.account_id AND ended_at IS NULL
                 ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET 50);
END;

-- Where in the log a time is.
CREATE INDEX audit_log_by_time ON audit_log (org_id, at);

-- The document is made when it is asked for; as a column it was also made, and checked, with each insert.
ALTER TABLE results DROP COLUMN document;

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
