-- What the ninth schema added and did not make of what was there.

INSERT INTO fleet_scores (org_id, average_score, judged_at) VALUES ('acme', 71.5, 1800000000000);
