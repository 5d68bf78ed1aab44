INSERT INTO rate_limits (key, started_at, expires_at, used)
SELECT 'user:' || session.user_id, ?2, ?3, 1
  FROM sessions AS session
  LEFT JOIN users AS account ON account.id = session.account_id
 WHERE session.id = ?1 AND session.kind = ?5 AND session.ended_at IS NULL AND session.expires_at > ?2
   AND (session.account_id IS NULL OR account.status = 'active')
    ON CONFLICT (key) DO UPDATE
   SET used       = iif(expires_at > ?2, min(used, ?4) + 1, 1),
       started_at = iif(expires_at > ?2, started_at, ?2),
       expires_at = iif(expires_at > ?2, expires_at, ?3)
RETURNING used, started_at,
  (SELECT user_id FROM sessions WHERE id = ?1),
  (SELECT coalesce(account.org_id, session.org_id)
     FROM sessions AS session LEFT JOIN users AS account ON account.id = session.account_id WHERE session.id = ?1),
  (SELECT iif(session.account_id IS NULL, session.role, account.role)
     FROM sessions AS session LEFT JOIN users AS account ON account.id = session.account_id WHERE session.id = ?1)
