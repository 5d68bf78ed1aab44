//! tmp
use std::{sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}}, time::{Duration, Instant}};
use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpStream};
#[tokio::main]
async fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (addr, path) = (a[1].clone(), a[2].clone());
    let conns: usize = a.get(3).map_or(32, |s| s.parse().unwrap());
    let secs: u64 = a.get(4).map_or(5, |s| s.parse().unwrap());
    let n = Arc::new(AtomicU64::new(0)); let bad = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + Duration::from_secs(secs);
    let mut hs = vec![];
    for i in 0..conns {
        let (addr, path, n, bad) = (addr.clone(), path.replace("{i}", &i.to_string()), n.clone(), bad.clone());
        hs.push(tokio::spawn(async move {
            let mut lat = vec![];
            let mut s = TcpStream::connect(&addr).await.unwrap(); s.set_nodelay(true).unwrap();
            let req = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
            let mut buf = vec![0; 65536];
            while Instant::now() < end {
                let t = Instant::now();
                s.write_all(req.as_bytes()).await.unwrap();
                let mut got = 0;
                loop {
                    let k = s.read(&mut buf[got..]).await.unwrap_or(0);
                    if k == 0 { bad.fetch_add(1, Relaxed); s = TcpStream::connect(&addr).await.unwrap(); break }
                    got += k;
                    let b = &buf[..got];
                    if let Some(h) = b.windows(4).position(|w| w == b"\r\n\r\n") {
                        let head = String::from_utf8_lossy(&b[..h]).to_lowercase();
                        let done = if let Some(p) = head.find("content-length: ") { let l: usize = head[p + 16..].lines().next().unwrap().trim().parse().unwrap(); got >= h + 4 + l } else { b.ends_with(b"0\r\n\r\n") };
                        if done { if !head.starts_with("http/1.1 200") { bad.fetch_add(1, Relaxed); } break }
                    }
                }
                n.fetch_add(1, Relaxed); lat.push(t.elapsed().as_micros() as u32);
            }
            lat
        }));
    }
    let mut all = vec![]; for h in hs { all.extend(h.await.unwrap()) }
    all.sort_unstable();
    println!("{path}: {} req/s, bad {}, p50 {} us, p99 {} us", n.load(Relaxed) / secs, bad.load(Relaxed), all[all.len()/2], all[all.len()*99/100]);
}
