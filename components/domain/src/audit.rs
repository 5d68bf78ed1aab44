//! Who did what: naming the doer of a change, and sealing what the log got.

mod reading;

use domain::{audit::ChainKey, ids::OrgId, secrets::Secret};
use store::audit::{self, Entry};

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        audit_sweeps::Guest,
        types::{Actor, Fault, Origin},
    },
    call::Call,
    configuration, fault,
};

const VARIABLE: &str = "encryption_secret";

/// Rows that one statement seals. After a change that is all; the sweep does the rest.
const MOST: u32 = 100;

/// What a statement writes to the row that it changes on somebody's behalf.
pub(crate) fn entry(call: &Call, by: &Actor, action: &'static str) -> Entry {
    Entry {
        at: call.now,
        actor: by.user_id.clone(),
        address: by.address.clone(),
        request_id: by.request_id.clone(),
        action,
        details: None,
    }
}

/// As [`entry`], of somebody who proves who they are by this very call, or whom only the statement
/// knows: then `actor` is empty and the statement fills it in.
pub(crate) fn entry_from(call: &Call, from: &Origin, actor: &str, action: &'static str) -> Entry {
    Entry {
        at: call.now,
        actor: actor.to_owned(),
        address: from.address.clone(),
        request_id: from.request_id.clone(),
        action,
        details: None,
    }
}

/// To be called after a statement with an entry. The change is made and recorded by then, so a failure
/// is nobody's but ours: it is in our log, and the sweep tries again.
pub(crate) async fn seal(call: &Call, org: &OrgId) {
    if let Ok(key) = key().await {
        let _ = seal_with(&key, call, org, MOST).await;
    }
}

/// Returns how many rows it sealed: none when another was faster.
async fn seal_with(key: &ChainKey, call: &Call, org: &OrgId, most: u32) -> Result<u32, Fault> {
    let waiting = audit::unsealed(call.db, org, most).await?;
    let seals = match key.seals(&waiting.head, &waiting.rows, call.now) {
        Ok(Some(seals)) => seals,
        Ok(None) => return Ok(0),
        Err(distrusted) => {
            fault::note(&distrusted);
            return Ok(0);
        }
    };
    if !audit::record_seals(call.db, org, &waiting.head, &seals).await? {
        return Ok(0);
    }
    Ok(u32::try_from(seals.hashes.len()).unwrap_or(most))
}

pub(crate) async fn key() -> Result<ChainKey, Fault> {
    let secret = Secret::new(configuration::required(VARIABLE).await?);
    ChainKey::derive(&secret).map_err(|_| fault::misconfigured(VARIABLE))
}

impl Guest for Component {
    async fn seal(limit: u32) -> Result<u32, Fault> {
        let call = Call::begin()?;
        let organisations = audit::list_unsealed(call.db, limit).await?;
        if organisations.is_empty() {
            return Ok(0);
        }
        let key = key().await?;
        let mut sealed = 0_u32;
        for org in organisations {
            loop {
                let most = limit.saturating_sub(sealed).min(MOST);
                if most == 0 {
                    return Ok(sealed);
                }
                let found = seal_with(&key, &call, &org, most).await?;
                sealed = sealed.saturating_add(found);
                if found < most {
                    break;
                }
            }
        }
        Ok(sealed)
    }
}
