-- A small fleet as the first schema kept it: at least one row in every table.

INSERT INTO enrollment_tokens (id, org_id, digest, metadata, max_uses, expires_at, created_at, created_by)
VALUES ('k1', 'acme', zeroblob(32), '{"team":"blue"}', 5, 1800003600000, 1800000000000, 'ada');

INSERT INTO agents (id, org_id, hostname, os, arch, agent_version, tags, enrolled_at, enrolled_by, created_at,
                    updated_at, key_digest)
VALUES ('a1', 'acme', 'web-1', 'linux', 'amd64', '1.0.0', '["web","lab"]', 1800000000000, 'k1', 1800000000000,
        1800000000000, zeroblob(32)),
       ('a2', 'acme', 'web-2', 'windows', 'amd64', '1.0.0', '[]', 1800000000001, 'k1', 1800000000001,
        1800000000001, zeroblob(32)),
       ('b1', 'other', 'db-1', 'darwin', 'arm64', '1.1.0', '[]', 1800000000002, NULL, 1800000000002,
        1800000000002, zeroblob(32));

UPDATE agents
   SET last_heartbeat_at = 1800000060000, last_heartbeat = '{"status":"idle","system":{"cpu_percent":12.5}}'
 WHERE id = 'a1';
UPDATE agents
   SET pending_key_digest = zeroblob(32), pending_key_sealed = x'00ff', rotation_started_at = 1800000070000
 WHERE id = 'a2';

INSERT INTO tasks (id, agent_id, org_id, type, status, ended_by, payload, result, execution_timeout_seconds,
                   ttl_seconds, created_at, created_by, expires_at, completed_at, batch_id, notes_history)
VALUES ('t1', 'a1', 'acme', 'execute_test', 'completed', 'result', '{"test_uuid":"u1","test_name":"LSASS read"}',
        '{"exit_code":101}', 300, 604800, 1800000000000, 'ada', 1800604800000, 1800000300000, 'b1', '[]'),
       ('t2', 'a2', 'acme', 'execute_command', 'pending', NULL, '{"command":"whoami"}', NULL, 300, 604800,
        1800000000001, 'ada', 1800604800001, NULL, 'b2', '[{"content":"first"}]');

INSERT INTO agent_releases (org_id, version, os, arch, precedence, binary_sha256, binary_size, binary_signature,
                            created_at, created_by)
VALUES ('acme', '1.0.0', 'linux', 'amd64', '1', printf('%064d', 1), 20, printf('%0128d', 2), 1800000000000, 'ada');

INSERT INTO builds (org_id, test_uuid, os, arch, filename, sha256, size, built_at, created_by)
VALUES ('acme', 'u1', 'linux', 'amd64', 'u1', printf('%064d', 3), 20, 1800000000000, 'ada');

INSERT INTO schedules (id, org_id, agent_ids, test_uuid, test_name, binary_name, schedule_type, schedule_config,
                       next_run_at, created_by, created_at, updated_at)
VALUES ('s1', 'acme', '["a1"]', 'u1', 'LSASS read', 'u1', 'daily', '{"time":"03:00"}', 1800010000000, 'ada',
        1800000000000, 1800000000000);

INSERT INTO rate_limits (key, started_at, expires_at, used) VALUES ('ip:192.0.2.1', 1800000000000, 1800000900000, 3);
