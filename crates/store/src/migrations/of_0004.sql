-- What the fourth schema added and did not make of what was there.

INSERT INTO organization_settings (org_id, name, value, updated_at, updated_by)
VALUES ('acme', 'rotation', '{"enabled":true,"interval_days":30}', 1800000000000, 'ada');

INSERT INTO release_promotions (org_id, os, arch, version, promoted_at, promoted_by)
VALUES ('acme', 'linux', 'amd64', '1.0.0', 1800000000000, 'ada');

INSERT INTO catalogs (org_id, size, imported_at, imported_by) VALUES ('acme', 1, 1800000000000, 'ada');
INSERT INTO catalog_entries (org_id, test_uuid, name, metadata) VALUES ('acme', 'u1', 'LSASS read', '{"severity":"high"}');
