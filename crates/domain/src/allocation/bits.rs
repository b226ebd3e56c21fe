//! Sets of trainers as words of bits.

/// Bits in a word.
pub(crate) const WORD_BITS: usize = u64::BITS as usize;

/// The members of a set, ascending.
pub(crate) fn members(set: &[u64]) -> impl Iterator<Item = usize> + '_ {
    set.iter().enumerate().flat_map(|(word, &bits)| ones(bits).map(move |bit| word * WORD_BITS + bit as usize))
}

/// The positions of a word's bits, ascending.
pub(crate) fn ones(mut bits: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (bits != 0).then(|| bits.trailing_zeros());
        bits &= bits.wrapping_sub(1);
        bit
    })
}

/// How many members a set has.
pub(crate) fn count(set: &[u64]) -> u32 {
    set.iter().map(|bits| bits.count_ones()).sum()
}

/// Whether a set is empty.
pub(crate) fn is_empty(set: &[u64]) -> bool {
    set.iter().all(|&bits| bits == 0)
}

/// Whether `at` is a member.
pub(crate) fn has(set: &[u64], at: usize) -> bool {
    set[at / WORD_BITS] >> (at % WORD_BITS) & 1 == 1
}

/// Makes `at` a member, or not.
pub(crate) fn put(set: &mut [u64], at: usize, member: bool) {
    let bit = 1 << (at % WORD_BITS);
    if member { set[at / WORD_BITS] |= bit } else { set[at / WORD_BITS] &= !bit }
}

/// Keeps what is in both.
pub(crate) fn and(set: &mut [u64], other: &[u64]) {
    set.iter_mut().zip(other).for_each(|(bits, other)| *bits &= other);
}

/// Adds what is in the other.
pub(crate) fn or(set: &mut [u64], other: &[u64]) {
    set.iter_mut().zip(other).for_each(|(bits, other)| *bits |= other);
}

/// Removes what is in the other.
pub(crate) fn minus(set: &mut [u64], other: &[u64]) {
    set.iter_mut().zip(other).for_each(|(bits, other)| *bits &= !other);
}
