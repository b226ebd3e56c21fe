//! Which partition a key goes to: as Java's Kafka client chooses, so that records of other
//! producers with the same key share it.

/// The seed of Kafka's hash (`org.apache.kafka.common.utils.Utils#murmur2`).
const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// The 32-bit MurmurHash2 of Kafka's default partitioner, as Java's signed number.
pub fn murmur2(bytes: &[u8]) -> i32 {
    // Java's array lengths have 32 bits; of a longer text the low ones are what it would mix in.
    let mut hash = SEED ^ (bytes.len() as u32);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mixed = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        let mixed = (mixed ^ (mixed >> SHIFT)).wrapping_mul(MULTIPLIER);
        hash = hash.wrapping_mul(MULTIPLIER) ^ mixed;
    }
    if !rest.is_empty() {
        hash = rest.iter().enumerate().fold(hash, |hash, (at, byte)| hash ^ (u32::from(*byte) << (8 * at)));
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MULTIPLIER);
    (hash ^ (hash >> 15)) as i32
}

/// The partition of a key, from 0; `None` without a key (any will do) or without partitions.
pub fn partition_for(key: Option<&[u8]>, partitions: u32) -> Option<u32> {
    let positive = (murmur2(key?) & i32::MAX) as u32;
    positive.checked_rem(partitions)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hashes_as_kafka_does() {
        // The table of Kafka's own UtilsTest#testMurmur2.
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn chooses_by_the_positive_remainder() {
        for (key, partitions, expected) in [
            (Some("21"), 3, Some((-973_932_308_i32 & i32::MAX) as u32 % 3)),
            (Some("abc"), 3, Some(479_470_107 % 3)),
            (Some("abc"), 1, Some(0)),
            (Some(""), 1, Some(0)),
            (Some("abc"), 0, None),
            (None, 3, None),
        ] {
            assert_eq!(partition_for(key.map(str::as_bytes), partitions), expected, "{key:?} of {partitions}");
        }
    }

    proptest! {
        #[test]
        fn every_key_has_a_partition(key: Vec<u8>, partitions in 1_u32..) {
            prop_assert!(partition_for(Some(&key), partitions).is_some_and(|chosen| chosen < partitions));
        }
    }
}
