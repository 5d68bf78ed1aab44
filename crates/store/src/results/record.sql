INSERT INTO results (
         id, task_id, org_id, agent_id, event_at, ingested_at, hostname,
         test_uuid, test_name, error_code, error_name, outcome,
         is_bundle_control, bundle_id, bundle_name, control_id, control_validator,
         category, subcategory, severity, threat_actor, complexity, score,
         techniques, tactics, tags, target, tenant_label, target_index)
  SELECT value ->> 'id', ?1, ?2, ?3, ?4, ?5, ?6,
         value ->> 'test_uuid', value ->> 'test_name', value ->> 'error_code', value ->> 'error_name', value ->> 'outcome',
         ?13 IS NOT NULL, ?13, ?14, value ->> 'control_id', value ->> 'control_validator',
         value ->> 'category', value ->> 'subcategory', value ->> 'severity', ?7, ?8, ?9,
         value -> 'techniques', value -> 'tactics', ?11, ?10, ?15, ?12
    FROM json_each(?16)
   WHERE true
      ON CONFLICT (id) DO UPDATE
     SET event_at = excluded.event_at, ingested_at = excluded.ingested_at, hostname = excluded.hostname,
         test_uuid = excluded.test_uuid, test_name = excluded.test_name, error_code = excluded.error_code,
         error_name = excluded.error_name, outcome = excluded.outcome, bundle_id = excluded.bundle_id,
         bundle_name = excluded.bundle_name, control_validator = excluded.control_validator,
         category = excluded.category, subcategory = excluded.subcategory, severity = excluded.severity,
         threat_actor = excluded.threat_actor, complexity = excluded.complexity, score = excluded.score,
         techniques = excluded.techniques, tactics = excluded.tactics, tags = excluded.tags,
         target = excluded.target, tenant_label = excluded.tenant_label, target_index = excluded.target_index
   WHERE results.task_id = excluded.task_id
RETURNING 1
