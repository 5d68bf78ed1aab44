//! Keys that grow old: rotations that nobody has to ask for.

use domain::{
    devices::agent_key,
    ids::OrgId,
    secrets::Digest,
    time::{Span, Timestamp},
};
use store::agents::rotation;

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        rotation_sweeps::{Guest, Swept},
        types::Fault,
    },
    call::{self, Call},
    organization::AUTO_ROTATION,
    sealing,
};

/// Organisations that one sweep looks at, and rotations that it starts, at most.
const MOST_ORGANIZATIONS: u32 = 1000;
const MOST_ROTATIONS: u32 = 5000;

impl Guest for Component {
    async fn rotate_due(per_organization: u32, seconds: u32) -> Result<Swept, Fault> {
        let call = Call::begin()?;
        let end = call.now + Span::seconds(seconds.into());
        let mut swept = Swept { organizations: 0, rotated: 0, remaining: false };
        let mut due = rotation::list_organisations(
            call.db,
            AUTO_ROTATION,
            call.now,
            // One more than may be looked at tells whether something is left.
            MOST_ORGANIZATIONS + 1,
        )
        .await?;
        if due.len() > MOST_ORGANIZATIONS as usize {
            due.truncate(MOST_ORGANIZATIONS as usize);
            swept.remaining = true;
        }
        let mut first = None;
        for (org, before) in due {
            if call::now() >= end {
                swept.remaining = true;
                break;
            }
            // What one organisation fails at does not keep the others.
            if let Err(fault) = rotate(&call, &org, before, per_organization, end, &mut swept).await
            {
                first.get_or_insert(fault);
            }
        }
        first.map_or(Ok(swept), Err)
    }
}

async fn rotate(
    call: &Call,
    org: &OrgId,
    before: Timestamp,
    most: u32,
    end: Timestamp,
    swept: &mut Swept,
) -> Result<(), Fault> {
    let most = most.min(MOST_ROTATIONS.saturating_sub(swept.rotated));
    // One more than may be rotated tells whether something is left.
    let mut due = rotation::list_due(call.db, org, before, most.saturating_add(1)).await?;
    if due.len() > most as usize {
        due.truncate(most as usize);
        swept.remaining = true;
    }
    if due.is_empty() {
        return Ok(());
    }
    swept.organizations += 1;
    let sealing_key = sealing::key().await?;
    for agent in &due {
        if call::now() >= end {
            swept.remaining = true;
            break;
        }
        let fresh = agent_key(&call::random());
        let sealed = sealing_key.seal(agent, &fresh, call::random());
        let offered = (&Digest::of(fresh.expose()), sealed.as_slice());
        let started = rotation::start_due(call.db, agent, offered, before, call.now).await?;
        swept.rotated += u32::from(started);
    }
    Ok(())
}
