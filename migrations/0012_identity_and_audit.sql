-- The head of a log proves itself, sessions are audited, and what somebody began ends with their right to it.

-- A keyed code over organisation, `sealed_seq` and `sealed_hash`; null until the first seal.
ALTER TABLE audit_heads ADD COLUMN mac BLOB CHECK (length(mac) = 32);
-- The hashes of the rows that a statement seals: [[seq, hex], …]. Never there afterwards.
ALTER TABLE audit_heads ADD COLUMN sealing TEXT CHECK (sealing IS NULL OR json_valid(sealing));

DROP TRIGGER audit_log_sealed;

CREATE TRIGGER audit_heads_sealing AFTER UPDATE OF sealing ON audit_heads
WHEN new.sealing IS NOT NULL
BEGIN
  UPDATE audit_log
     SET hash = unhex(seal.value ->> 1)
    FROM json_each(new.sealing) AS seal
   WHERE audit_log.org_id = new.org_id AND audit_log.seq = seal.value ->> 0 AND audit_log.hash IS NULL;
  UPDATE audit_heads SET sealing = NULL WHERE org_id = new.org_id;
END;
