-- What the second schema added: the log, of which one row is sealed.

INSERT INTO audit_log (org_id, seq, at, actor, address, request_id, action, target_type, target_id, after, hash)
VALUES ('acme', 1, 1800000000000, 'ada', '192.0.2.1', 'r1', 'token.create', 'token', 'k1', '{"max_uses":5}', zeroblob(32)),
       ('acme', 2, 1800000000001, 'ada', '192.0.2.1', 'r2', 'agent.tag', 'agent', 'a1', NULL, NULL);

INSERT INTO audit_heads (org_id, last_seq, sealed_seq, sealed_hash) VALUES ('acme', 2, 1, zeroblob(32));
