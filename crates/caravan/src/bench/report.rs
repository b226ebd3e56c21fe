//! What a bench has measured.

use std::time::Duration;

use serde_json::json;

/// Shares of the backlog at which memory is looked at, in percent.
pub(super) const LOOKS_PERCENT: [u64; 4] = [25, 50, 75, 100];
/// A measurement in which fewer found a trainer is not one of the whole path.
const ALLOCATED_SHARE_MIN: f64 = 0.99;

/// The numbers.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// `embedded` or `distributed`.
    pub topology: &'static str,
    /// Purchases of the backlog.
    pub purchases: u64,
    /// Trainers of the roster.
    pub trainers: u32,
    /// Sessions of each plan.
    pub sessions: u16,
    /// Purchases that had happened, and were over, before.
    pub history: u64,
    /// How long the backlog took, from the start of the workers until nothing was left to do.
    pub took: Duration,
    /// Which share of the backlog got a trainer.
    pub allocated_share: f64,
    /// How long writing the same rows took.
    pub floor_took: Duration,
    /// How long it took from publishing a payment until its sessions could be read, at a steady
    /// rate, sorted.
    pub latencies: Vec<Duration>,
    /// At how many payments a second that was.
    pub steady_rate: u32,
    /// The most memory that was resident, in bytes; `None` where the system doesn't tell.
    pub rss_bytes_max: Option<u64>,
    /// What was resident at each quarter of the backlog, in bytes.
    pub rss_bytes: Vec<u64>,
    /// By how much the database grew, in bytes.
    pub database_bytes: u64,
}

impl Measured {
    /// Purchases a second through all stages.
    pub fn purchases_per_second(&self) -> f64 {
        self.purchases as f64 / seconds(self.took)
    }

    /// Purchases a second of the floor.
    pub fn floor_purchases_per_second(&self) -> f64 {
        self.purchases as f64 / seconds(self.floor_took)
    }

    /// Which share of the floor's speed the run had.
    pub fn floor_ratio(&self) -> f64 {
        self.purchases_per_second() / self.floor_purchases_per_second()
    }

    /// By how much the database grew for a purchase.
    pub fn bytes_per_purchase(&self) -> f64 {
        self.database_bytes as f64 / self.purchases.max(1) as f64
    }

    /// The latency that this share of the payments had at most (nearest rank), in milliseconds.
    pub fn latency_ms(&self, percent: usize) -> Option<f64> {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).map(|latency| latency.as_secs_f64() * 1_000.0)
    }

    /// One object.
    pub fn json_line(&self) -> String {
        json!({
            "topology": self.topology,
            "purchases": self.purchases,
            "trainers": self.trainers,
            "sessions": self.sessions,
            "history": self.history,
            "allocated_share": rounded(self.allocated_share, 4),
            "seconds": rounded(self.took.as_secs_f64(), 3),
            "purchases_per_second": rounded(self.purchases_per_second(), 1),
            "floor_purchases_per_second": rounded(self.floor_purchases_per_second(), 1),
            "floor_ratio": rounded(self.floor_ratio(), 3),
            "latency_ms_p50": self.latency_ms(50).map(|latency| rounded(latency, 2)),
            "latency_ms_p95": self.latency_ms(95).map(|latency| rounded(latency, 2)),
            "latency_ms_p99": self.latency_ms(99).map(|latency| rounded(latency, 2)),
            "latency_payments": self.latencies.len(),
            "latency_payments_per_second": self.steady_rate,
            "rss_bytes_max": self.rss_bytes_max,
            "rss_bytes_by_quarter": self.rss_bytes,
            "bytes_per_purchase": rounded(self.bytes_per_purchase(), 0),
        })
        .to_string()
    }

    /// A table for people.
    pub fn text_lines(&self) -> Vec<String> {
        let mebibytes = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1_048_576.0);
        let latency =
            |percent| self.latency_ms(percent).map_or_else(|| "-".to_owned(), |latency| format!("{latency:.1} ms"));
        let quarters: Vec<String> = self.rss_bytes.iter().map(|bytes| mebibytes(*bytes)).collect();
        let rows = [
            ("topology", self.topology.to_owned()),
            ("purchases", format!("{} of {} sessions, {} trainers", self.purchases, self.sessions, self.trainers)),
            ("history", format!("{} purchases", self.history)),
            ("allocated", format!("{:.2} %", self.allocated_share * 100.0)),
            ("time", format!("{:.2} s", self.took.as_secs_f64())),
            ("throughput", format!("{:.0} purchases/s", self.purchases_per_second())),
            ("floor", format!("{:.0} purchases/s", self.floor_purchases_per_second())),
            ("share of the floor", format!("{:.1} %", self.floor_ratio() * 100.0)),
            (
                "latency",
                format!(
                    "p50 {}  p95 {}  p99 {}  at {} payments/s",
                    latency(50),
                    latency(95),
                    latency(99),
                    self.steady_rate
                ),
            ),
            ("memory, at most", self.rss_bytes_max.map_or_else(|| "not told by this system".to_owned(), mebibytes)),
            ("memory, by quarter", quarters.join("  ")),
            ("database", format!("{:.0} bytes a purchase", self.bytes_per_purchase())),
        ];
        let mut lines: Vec<String> = rows.iter().map(|(label, value)| format!("{label:<20}{value}")).collect();
        if self.allocated_share < ALLOCATED_SHARE_MIN {
            let least = ALLOCATED_SHARE_MIN * 100.0;
            lines.push(format!(
                "note: fewer than {least:.0} % found a trainer; take more trainers for a measurement of the whole path"
            ));
        }
        lines
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64().max(1e-9)
}

fn rounded(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (number * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let latencies: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        let measured = Measured { latencies, ..Measured::default() };
        assert_eq!(
            [50, 95, 99, 100].map(|percent| measured.latency_ms(percent)),
            [Some(100.0), Some(190.0), Some(198.0), Some(200.0)]
        );
        assert_eq!(Measured::default().latency_ms(50), None);
    }

    #[test]
    fn the_ratio_is_of_the_same_purchases() {
        let (took, floor_took) = (Duration::from_secs(4), Duration::from_secs(2));
        let measured = Measured { purchases: 20_000, took, floor_took, ..Measured::default() };
        assert_eq!(measured.purchases_per_second(), 5_000.0);
        assert_eq!(measured.floor_ratio(), 0.5);
        let line: serde_json::Value = serde_json::from_str(&measured.json_line()).unwrap();
        assert_eq!(line["floor_ratio"], 0.5);
        assert_eq!(line["latency_ms_p99"], serde_json::Value::Null);
    }
}
