-- What the eleventh schema added.

INSERT INTO blob_suspects (name, first_seen_at, last_seen_at) VALUES (printf('%064d', 9), 1800000000000, 1800003600000);
