-- What the sixth schema added: a result of a test, one of a control, and an hour of samples.

INSERT INTO results (id, task_id, org_id, agent_id, event_at, ingested_at, hostname, test_uuid, test_name, error_code,
                     error_name, outcome, is_bundle_control, bundle_id, bundle_name, control_id, category, subcategory,
                     severity, threat_actor, complexity, score, techniques, tactics, tags, target)
VALUES ('t1', 't1', 'acme', 'a1', 1800000300000, 1800000300001, 'web-1', 'u1', 'LSASS read', 101, 'Unprotected',
        'unprotected', 0, NULL, NULL, NULL, 'intel-driven', '', 'high', '', 'low', 7.5, '["T1003"]', '[]', '[]', '[]'),
       ('t0::c1', 't0', 'acme', 'a1', 1800000300000, 1800000300001, 'web-1', 'u2', 'Bundle', 126, 'Protected',
        'protected', 1, 'b', 'Bundle', 'c1', 'cyber-hygiene', 'identity', 'low', '', '', NULL, '[]', '[]', '[]', '[]');

INSERT INTO heartbeat_hourly (agent_id, hour_at, samples, cpu_percent) VALUES ('a1', 3600000, 4, 12.5);
