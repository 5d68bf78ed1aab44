//! What a fleet did: figures, samples, events.

use domain::{
    health::{SAMPLES_PER_DAY, hours_between, percent, success_percent},
    ids::{AgentId, OrgId},
};
use store::{
    agents::history,
    fleet::{self, Kind},
};

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        fleet::{Event, EventFilter, EventPage, FleetHealth, Guest, Metrics, Sample, Tally},
        types::{Actor, Fault},
    },
    call::Call,
};

/// Ids of stale agents that one answer names.
const MOST_STALE: u32 = 500;

impl Guest for Component {
    async fn read_metrics(by: Actor) -> Result<Metrics, Fault> {
        let call = Call::begin()?;
        let org = OrgId(by.org_id);
        let tallies = async |kind| -> Result<Vec<Tally>, Fault> {
            let tallies = fleet::tallies(call.db, &org, kind).await?;
            Ok(tallies.into_iter().map(Tally::from).collect())
        };
        let by_os = tallies(Kind::Os).await?;
        let work = fleet::work(call.db, &org, call.now).await?;
        Ok(Metrics {
            total: by_os.iter().map(|it| it.agents).sum(),
            online: fleet::online(call.db, &org, call.now).await?,
            by_os,
            by_status: tallies(Kind::Status).await?,
            by_version: tallies(Kind::Version).await?,
            pending_tasks: work.pending,
            in_progress: work.in_progress,
            completed: work.completed,
            failed: work.failed,
        })
    }

    async fn read_health(by: Actor) -> Result<FleetHealth, Fault> {
        let call = Call::begin()?;
        let org = OrgId(by.org_id);
        let health = fleet::health(call.db, &org, call.now).await?;
        let stale = match health.stale_agents {
            0 => Vec::new(),
            _ => fleet::list_stale(call.db, &org, MOST_STALE, call.now).await?,
        };
        Ok(FleetHealth {
            uptime_percent: uptime(&health),
            success_percent: success_percent(health.completed, health.failed),
            hours_between_failures: health
                .first_failure
                .zip(health.last_failure)
                .and_then(|(first, last)| hours_between(health.failures, first, last)),
            stale_agents: health.stale_agents,
            stale_agent_ids: stale.into_iter().map(|it| it.0).collect(),
            average_score: average(health.average_score),
        })
    }

    async fn list_samples(
        by: Actor,
        agent_id: String,
        days: u32,
    ) -> Result<Option<Vec<Sample>>, Fault> {
        let call = Call::begin()?;
        let agent = AgentId(agent_id);
        if !history::is_known(call.db, &OrgId(by.org_id), &agent).await? {
            return Ok(None);
        }
        let samples = history::list_samples(call.db, &agent, days, call.now).await?;
        Ok(Some(samples.into_iter().map(Sample::from).collect()))
    }

    async fn list_events(
        by: Actor,
        agent_id: String,
        filter: EventFilter,
    ) -> Result<Option<EventPage>, Fault> {
        let call = Call::begin()?;
        let agent = AgentId(agent_id);
        if !history::is_known(call.db, &OrgId(by.org_id), &agent).await? {
            return Ok(None);
        }
        let kind = filter.kind.as_deref();
        let total = history::count_events(call.db, &agent, kind).await?;
        let wanted = history::Wanted {
            kind,
            after: filter.after.map(|it| (it.created_at.into(), it.id)),
            limit: filter.limit,
            offset: filter.offset,
        };
        let events = history::list_events(call.db, &agent, wanted).await?;
        Ok(Some(EventPage { events: events.into_iter().map(Event::from).collect(), total }))
    }
}

/// How much of thirty days the agents that are active reported, in percent.
fn uptime(health: &fleet::Health) -> f64 {
    let Ok(agents) = u32::try_from(health.active_agents) else { return 0.0 };
    if agents == 0 {
        return 0.0;
    }
    percent(health.samples, f64::from(agents) * 30.0 * f64::from(SAMPLES_PER_DAY))
}

fn average(score: Option<f64>) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
    let average = score.unwrap_or_default().round() as u8;
    average
}

impl From<fleet::Tally> for Tally {
    fn from(it: fleet::Tally) -> Self {
        Self { name: it.name, agents: it.agents }
    }
}

impl From<history::Sample> for Sample {
    fn from(it: history::Sample) -> Self {
        Self {
            recorded_at: it.recorded_at.into(),
            cpu_percent: it.cpu_percent,
            memory_mb: it.memory_mb,
            total_memory_mb: it.total_memory_mb,
            disk_free_mb: it.disk_free_mb,
            uptime_seconds: it.uptime_seconds,
            process_cpu_percent: it.process_cpu_percent,
            process_memory_mb: it.process_memory_mb,
        }
    }
}

impl From<history::Event> for Event {
    fn from(it: history::Event) -> Self {
        Self {
            id: it.id,
            kind: it.kind,
            details: it.details.into(),
            created_at: it.created_at.into(),
        }
    }
}
