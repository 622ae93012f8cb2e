CREATE TABLE fines (
    fine      TEXT PRIMARY KEY,
    amount    INTEGER NOT NULL,             -- as it was written, in cents
    postage   INTEGER NOT NULL DEFAULT 0,
    penalised INTEGER,                      -- the higher amount, once the deadline has passed
    paid      INTEGER NOT NULL DEFAULT 0,
    payments  INTEGER NOT NULL DEFAULT 0,
    appealed  INTEGER NOT NULL DEFAULT FALSE,
    pending   INTEGER NOT NULL DEFAULT FALSE, -- an appeal that the offender has no answer to
    dismissed INTEGER NOT NULL,
    collected INTEGER NOT NULL DEFAULT FALSE
) STRICT;

-- One outcome for each fine: the first that fits. An appeal is none, as fines are paid or not after it as well; only
-- that an answer is awaited tells why a fine is not paid.
CREATE VIEW outcomes AS SELECT
    *,
    CASE
        WHEN dismissed THEN 'dismissed'
        WHEN collected THEN 'in credit collection'
        WHEN paid >= coalesce(penalised, amount) + postage THEN 'paid in full'
        -- Whoever pays late often pays what the letter said, and hears no more of it.
        WHEN paid >= amount + postage THEN 'paid without penalty'
        WHEN pending THEN 'appeal pending'
        WHEN paid > 0 THEN 'paid in part'
        ELSE 'unpaid'
    END AS outcome
FROM fines;
