//! The load: connections that each keep one request in flight.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Expected;

#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    /// Of the server, whose processor time is counted.
    pub(crate) process: u32,
}

pub(crate) struct Measured {
    elapsed: Duration,
    /// Processor time of the server.
    spent: Duration,
    /// Microseconds.
    pub(crate) latencies: Histogram<u64>,
}

impl Measured {
    pub(crate) fn per_second(&self) -> f64 {
        self.requests() / self.elapsed.as_secs_f64()
    }

    /// Microseconds of processor time that the server spent on each.
    pub(crate) fn processor(&self) -> f64 {
        self.spent.as_secs_f64() * 1e6 / self.requests()
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate is an estimate")]
    fn requests(&self) -> f64 {
        self.latencies.len() as f64
    }

    fn after(mut self, earlier: &Self) -> Result<Self> {
        self.elapsed += earlier.elapsed;
        self.spent += earlier.spent;
        self.latencies.add(&earlier.latencies).context("histograms of one shape add up")?;
        Ok(self)
    }
}

const WARM_UP: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_millis(250);

pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Sends, and reads the answer to its end.
    pub(crate) async fn send(&mut self, expected: Expected) -> Result<Bytes> {
        self.0.ready().await?;
        let answer = self.0.send_request(expected.request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        let wanted = expected.status;
        ensure!(status == wanted, "{status}, not {wanted}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}

/// Makes a request of a running number. It should take no time: what is measured shares the processor.
pub(crate) type Make<'a> = &'a (dyn Fn(usize) -> Expected + Sync);

impl Load {
    /// Sends what each of several makes, in turns of a quarter of a second, until each had its time: a machine
    /// that slows down or speeds up meanwhile does so for all. A turn before warms up.
    pub(crate) async fn take_turns<const N: usize>(
        &self,
        requests: [Make<'_>; N],
    ) -> Result<[Measured; N]> {
        // Counted on from turn to turn, so that each agent gets its share: it may send 30 a minute.
        let numbers = [const { AtomicUsize::new(0) }; N];
        for (request, number) in requests.into_iter().zip(&numbers) {
            self.run(request, number, self.duration.min(WARM_UP), usize::MAX).await?;
        }
        let mut sums = [const { None }; N];
        let mut left = self.duration;
        while !left.is_zero() {
            let turn = left.min(TURN);
            for ((request, number), sum) in requests.into_iter().zip(&numbers).zip(&mut sums) {
                let measured = self.run(request, number, turn, usize::MAX).await?;
                *sum = Some(match sum.take() {
                    None => measured,
                    Some(sum) => measured.after(&sum)?,
                });
            }
            left -= turn;
        }
        Ok(sums.map(|it| it.expect("there is at least one turn")))
    }

    /// Sends so many requests, after a few that warm up.
    pub(crate) async fn times(&self, count: usize, request: Make<'_>) -> Result<Measured> {
        self.run(request, &AtomicUsize::new(0), Duration::MAX, count / 10).await?;
        self.run(request, &AtomicUsize::new(0), Duration::MAX, count).await
    }

    /// Sends the first `count` requests once, however long it takes.
    pub(crate) async fn each(&self, count: usize, request: Make<'_>) -> Result<()> {
        self.run(request, &AtomicUsize::new(0), Duration::MAX, count).await.map(drop)
    }

    async fn run(
        &self,
        request: Make<'_>,
        next: &AtomicUsize,
        duration: Duration,
        count: usize,
    ) -> Result<Measured> {
        let watch = Stopwatch::start(self.process)?;
        let started = Instant::now();
        let connections = (0..self.connections).map(|_| async {
            let mut connection = Connection::open(self.address).await?;
            let mut latencies = histogram()?;
            while started.elapsed() < duration {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    break;
                }
                let expected = request(number);
                let sent = Instant::now();
                connection.send(expected).await?;
                latencies.saturating_record(micros(sent.elapsed()));
            }
            anyhow::Ok(latencies)
        });
        let mut latencies = histogram()?;
        for each in futures::future::try_join_all(connections).await? {
            latencies.add(&each).context("histograms of one shape add up")?;
        }
        watch.stop(latencies)
    }
}

/// Measures from its start: time, and the server's processor time.
pub(crate) struct Stopwatch {
    started: Instant,
    process: u32,
    processor: Duration,
}

impl Stopwatch {
    pub(crate) fn start(process: u32) -> Result<Self> {
        Ok(Self { started: Instant::now(), process, processor: processor_time(process)? })
    }

    pub(crate) fn stop(self, latencies: Histogram<u64>) -> Result<Measured> {
        let elapsed = self.started.elapsed();
        let spent = processor_time(self.process)?.saturating_sub(self.processor);
        Ok(Measured { elapsed, spent, latencies })
    }
}

/// What the threads of a process have run for, to the nanosecond. Those that ended count no more.
fn processor_time(process: u32) -> Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(stat) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let run = stat.split_whitespace().next().context("a schedstat line has figures")?;
        total += Duration::from_nanos(run.parse()?);
    }
    Ok(total)
}

pub(crate) fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    request("GET", path, &[], Bytes::new())
}

pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut builder = Request::builder().method(method).uri(path).header("host", "bench");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(body)).expect("the benchmark's own requests are well-formed")
}
