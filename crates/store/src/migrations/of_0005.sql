-- What the fifth schema added: an approval that waits, and one that was decided.

INSERT INTO approvals (id, org_id, kind, summary, work, status, requested_by, requested_at, expires_at, decided_by,
                       decided_at, updated_at)
VALUES ('p1', 'acme', 'command', '{}', '{}', 'pending_approval', 'ada', 1800000000000, 1800086400000, NULL, NULL,
        1800000000000),
       ('p2', 'acme', 'uninstall', '{}', '{}', 'denied', 'ada', 1800000000000, 1800086400000, 'bob', 1800000000001,
        1800000000001);
