//! Keys that grow old: rotations that nobody has to ask for.

use domain::{devices::agent_key, ids::OrgId, secrets::Digest, time::Span};
use store::{agents::rotation, organization_settings};

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        rotation_sweeps::{Guest, Swept},
        types::Fault,
    },
    call::{self, Call},
    organization::{AUTO_ROTATION, auto_rotation},
    sealing,
};

/// Organisations that one sweep looks at, and rotations that it starts, at most.
const ORGANIZATIONS_AT_ONCE: u32 = 100;
const MOST_ORGANIZATIONS: u32 = 10_000;
const MOST_ROTATIONS: u32 = 5000;

impl Guest for Component {
    async fn rotate_due(per_organization: u32) -> Result<Swept, Fault> {
        let call = Call::begin().await?;
        let mut swept = Swept { organizations: 0, rotated: 0, remaining: false };
        let mut after = OrgId(String::new());
        for _ in 0..MOST_ORGANIZATIONS / ORGANIZATIONS_AT_ONCE {
            let page = organization_settings::list_by_name(
                call.db,
                AUTO_ROTATION,
                &after,
                ORGANIZATIONS_AT_ONCE,
            )
            .await?;
            let Some((last, _)) = page.last() else { return Ok(swept) };
            after = last.clone();
            for (org, value) in &page {
                let settings = auto_rotation(value);
                if settings.enabled {
                    rotate(&call, org, settings.interval_days, per_organization, &mut swept)
                        .await?;
                }
            }
        }
        swept.remaining = true;
        Ok(swept)
    }
}

async fn rotate(
    call: &Call,
    org: &OrgId,
    interval_days: u32,
    most: u32,
    swept: &mut Swept,
) -> Result<(), Fault> {
    let before = call.now - Span::days(interval_days.into());
    let most = most.min(MOST_ROTATIONS.saturating_sub(swept.rotated));
    // One more than may be rotated tells whether something is left.
    let mut due = rotation::list_due(call.db, org, before, most.saturating_add(1)).await?;
    if due.len() > most as usize {
        due.truncate(most as usize);
        swept.remaining = true;
    }
    swept.organizations += 1;
    if due.is_empty() {
        return Ok(());
    }
    let sealing_key = sealing::key().await?;
    for agent in &due {
        let fresh = agent_key(&call::random());
        let sealed = sealing_key.seal(agent, &fresh, call::random());
        let offered = (&Digest::of(fresh.expose()), sealed.as_slice());
        let started = rotation::start_due(call.db, agent, offered, before, call.now).await?;
        swept.rotated += u32::from(started);
    }
    Ok(())
}
