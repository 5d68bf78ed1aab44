//! The figures, as a table.

use std::time::Duration;

use crate::{Measured, Options};

pub(crate) struct Report {
    lines: Vec<String>,
}

impl Report {
    pub(crate) fn new(options: &Options, first_start: Duration, cold_start: Duration) -> Self {
        let Options { seconds, connections, agents, .. } = options;
        let lines = vec![
            format!(
                "{}; {connections} connections, {seconds} s a figure, {agents} agents",
                machine()
            ),
            String::new(),
            format!(
                "first start, components compiled: {:>8.0} ms",
                first_start.as_secs_f64() * 1e3
            ),
            format!("cold start, warm module cache:    {:>8.0} ms", cold_start.as_secs_f64() * 1e3),
            String::new(),
            format!(
                "{:<40} {:>8} {:>9} {:>8} {:>8} {:>8} {:>9}",
                "", "per s", "of hello", "p50 ms", "p99 ms", "CPU µs", "x hello"
            ),
        ];
        Self { lines }
    }

    pub(crate) fn row(&mut self, name: &str, measured: &Measured, baseline: &Measured) {
        let millis =
            |quantile: f64| Duration::from_micros(measured.latencies.value_at_quantile(quantile));
        self.lines.push(format!(
            "{name:<40} {:>8.0} {:>8.0}% {:>8.2} {:>8.2} {:>8.1} {:>9.2}",
            measured.per_second(),
            measured.per_second() / baseline.per_second() * 100.0,
            millis(0.50).as_secs_f64() * 1e3,
            millis(0.99).as_secs_f64() * 1e3,
            measured.processor(),
            measured.processor() / baseline.processor(),
        ));
    }

    /// A table of its own for lists, whose promise is a latency.
    pub(crate) fn lists(&mut self, agents: u32, tasks: u32, connections: usize) {
        self.lines.push(format!(
            "\nan organisation of {agents} agents and {tasks} tasks, {connections} connections; \
             promised for a page of agents: p99 < 20 ms\n\n{:<52} {:>8} {:>8} {:>8} {:>8}",
            "", "per s", "p50 ms", "p99 ms", "CPU µs"
        ));
    }

    pub(crate) fn list(&mut self, name: &str, measured: &Measured) {
        let millis = |quantile: f64| {
            Duration::from_micros(measured.latencies.value_at_quantile(quantile)).as_secs_f64()
                * 1e3
        };
        self.lines.push(format!(
            "{name:<52} {:>8.0} {:>8.2} {:>8.2} {:>8.0}",
            measured.per_second(),
            millis(0.50),
            millis(0.99),
            measured.processor(),
        ));
    }

    pub(crate) fn memory(&mut self, resident_mib: u64) {
        self.lines.push(format!("\nresident memory at the end: {resident_mib} MiB"));
    }

    #[expect(clippy::print_stdout, reason = "the table is the result")]
    pub(crate) fn print(&self) {
        for line in &self.lines {
            println!("{line}");
        }
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| text.lines().find(|it| it.starts_with("model name")).map(str::to_owned))
        .and_then(|line| line.split(": ").nth(1).map(str::to_owned))
        .unwrap_or_else(|| "unknown processor".to_owned());
    format!("{cores} cores of {model}")
}
