//! The log as administrators read and verify it.

use domain::{
    audit::{self as chain, FaultKind, Record},
    ids::OrgId,
};
use store::audit::{check::check, list};

use super::key;
use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        audit::{
            AuditFilter, AuditHead, AuditPage, AuditProblem, AuditProblemKind, AuditRows, Audited,
            Guest, Verified,
        },
        types::{Actor, Fault},
    },
    call::Call,
};

/// Rows that one call verifies.
const MOST_VERIFIED: u64 = 10_000;

impl Guest for Component {
    async fn list_entries(by: Actor, filter: AuditFilter) -> Result<AuditPage, Fault> {
        let call = Call::begin()?;
        let org = OrgId(by.org_id);
        let wanted = wanted(&filter);
        let rows = read(&call, &org, &filter, &wanted).await?;
        // What was written since the first page was read is not counted with it.
        let newest = rows.entries.first().filter(|_| filter.before.is_none()).map(|it| it.seq + 1);
        let total = list::count(call.db, &org, &wanted, newest.unwrap_or(u64::MAX)).await?;
        let rest = match filter.before {
            None => total,
            Some(before) => list::count(call.db, &org, &wanted, before).await?,
        };
        Ok(AuditPage { rows, total, rest })
    }

    async fn next_entries(by: Actor, filter: AuditFilter) -> Result<AuditRows, Fault> {
        let call = Call::begin()?;
        read(&call, &OrgId(by.org_id), &filter, &wanted(&filter)).await
    }

    async fn verify(by: Actor, from_seq: u64) -> Result<Verified, Fault> {
        let call = Call::begin()?;
        let key = key().await?;
        let (org, from) = (OrgId(by.org_id), from_seq.max(1));
        let checked = check(call.db, &key, &org, from, MOST_VERIFIED, call.now).await?;
        Ok(Verified {
            sealed: checked.sealed,
            unsealed: checked.unsealed,
            first_problem: checked.fault.map(Into::into),
            next: checked.next,
            head: head(&checked.head),
        })
    }
}

fn wanted(filter: &AuditFilter) -> list::Filter<'_> {
    list::Filter {
        actor: filter.actor.as_deref(),
        action: filter.action.as_deref(),
        target_type: filter.target_type.as_deref(),
        target_id: filter.target_id.as_deref(),
        request_id: filter.request_id.as_deref(),
        from: filter.from.map(Into::into),
        to: filter.to.map(Into::into),
    }
}

/// A page, and where the next one begins.
async fn read(
    call: &Call,
    org: &OrgId,
    filter: &AuditFilter,
    wanted: &list::Filter<'_>,
) -> Result<AuditRows, Fault> {
    let before = filter.before.unwrap_or(u64::MAX);
    let rows = list::list(call.db, org, wanted, before, filter.limit).await?;
    let is_full = rows.len() == filter.limit as usize;
    let next = rows.last().filter(|it| is_full && it.seq > 1).map(|it| it.seq);
    Ok(AuditRows { entries: rows.into_iter().map(Into::into).collect(), next })
}

fn head(it: &chain::Head) -> Option<AuditHead> {
    it.sealed_hash.map(|hash| AuditHead { seq: it.sealed_seq, hash: hash.to_hex() })
}

impl From<chain::Fault> for AuditProblem {
    fn from(it: chain::Fault) -> Self {
        Self { seq: it.seq, kind: it.kind.into() }
    }
}

impl From<FaultKind> for AuditProblemKind {
    fn from(it: FaultKind) -> Self {
        match it {
            FaultKind::Changed => Self::Changed,
            FaultKind::Reordered => Self::Reordered,
            FaultKind::Missing => Self::Missing,
            FaultKind::Unsealed => Self::Unsealed,
            FaultKind::Unexpected => Self::Unexpected,
            FaultKind::Head => Self::Head,
        }
    }
}

impl From<Record> for Audited {
    fn from(it: Record) -> Self {
        Self {
            seq: it.seq,
            at: it.at.into(),
            actor: it.actor,
            address: it.address,
            request_id: it.request_id,
            action: it.action,
            target_type: it.target_type,
            target_id: it.target_id,
            before: it.before.map(Into::into),
            after: it.after.map(Into::into),
            hash: it.hash.map(domain::secrets::Digest::to_hex),
        }
    }
}
