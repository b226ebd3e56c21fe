//! Who stands in: as many sessions as possible are given to somebody, and of those of one plan as many as possible to the
//! same person.

use std::collections::HashMap;
use std::hash::Hash;

/// One who could take a session, and the week of theirs that it would count for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Who, as the caller numbers them.
    pub who: usize,
    /// Which week, as the caller numbers them.
    pub week: i64,
}

/// A session that somebody has to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vacancy {
    /// Of which plan it is, as the caller numbers them.
    pub plan: usize,
    /// Who could take it, best first.
    pub places: Vec<Place>,
}

/// Gives each vacancy a place or none; no place gets more than its room (one that is not named has none).
///
/// Whoever can take a whole plan is preferred. Beyond that it is a largest assignment (augmenting paths, after Kuhn 1955):
/// no other gives more vacancies a place. Vacancies at the same time must not have the same person among their places.
pub fn assigned(vacancies: &[Vacancy], room: &HashMap<Place, u32>) -> Vec<Option<Place>> {
    let mut assignment = Assignment { vacancies, room, of: vec![None; vacancies.len()], taken: HashMap::new() };
    let mut plans: Vec<usize> = vacancies.iter().map(|vacancy| vacancy.plan).collect();
    plans.sort_unstable();
    plans.dedup();
    // A long plan has the most to lose.
    let length = |plan: &usize| vacancies.iter().filter(|vacancy| vacancy.plan == *plan).count();
    plans.sort_by_key(|plan| std::cmp::Reverse(length(plan)));
    plans.into_iter().for_each(|plan| assignment.give_whole(plan));
    for vacancy in 0..vacancies.len() {
        if assignment.of[vacancy].is_none() {
            let mut seen = HashMap::new();
            assignment.augment(vacancy, &mut seen);
        }
    }
    assignment.of
}

struct Assignment<'a> {
    vacancies: &'a [Vacancy],
    room: &'a HashMap<Place, u32>,
    of: Vec<Option<Place>>,
    taken: HashMap<Place, Vec<usize>>,
}

impl Assignment<'_> {
    /// Gives a plan's vacancies to the first who can take them all.
    fn give_whole(&mut self, plan: usize) {
        let theirs: Vec<usize> =
            (0..self.vacancies.len()).filter(|&vacancy| self.vacancies[vacancy].plan == plan).collect();
        let Some(&first) = theirs.first() else { return };
        let by =
            |vacancy: usize, who: usize| self.vacancies[vacancy].places.iter().copied().find(|place| place.who == who);
        for who in self.vacancies[first].places.iter().map(|place| place.who) {
            let places: Option<Vec<Place>> = theirs.iter().map(|&vacancy| by(vacancy, who)).collect();
            let Some(places) = places else { continue };
            if counted(&places).into_iter().all(|(place, more)| self.left(place) >= more) {
                theirs.iter().zip(places).for_each(|(&vacancy, place)| self.put(vacancy, place));
                return;
            }
        }
    }

    fn left(&self, place: Place) -> u32 {
        let taken = self.taken.get(&place).map_or(0, |taken| taken.len() as u32);
        self.room.get(&place).copied().unwrap_or(0).saturating_sub(taken)
    }

    fn put(&mut self, vacancy: usize, place: Place) {
        self.of[vacancy] = Some(place);
        self.taken.entry(place).or_default().push(vacancy);
    }

    /// Finds a place for a vacancy, if need be by moving others to other places of theirs.
    fn augment(&mut self, vacancy: usize, seen: &mut HashMap<Place, ()>) -> bool {
        for place in self.vacancies[vacancy].places.clone() {
            if seen.insert(place, ()).is_some() {
                continue;
            }
            if self.left(place) > 0 {
                self.put(vacancy, place);
                return true;
            }
            for other in self.taken.get(&place).cloned().unwrap_or_default() {
                if self.augment(other, seen) {
                    // The other has another place now; it has left this one.
                    if let Some(taken) = self.taken.get_mut(&place) {
                        taken.retain(|one| *one != other);
                    }
                    self.put(vacancy, place);
                    return true;
                }
            }
        }
        false
    }
}

fn counted<T: Copy + Eq + Hash>(items: &[T]) -> HashMap<T, u32> {
    let mut counts = HashMap::new();
    items.iter().for_each(|item| *counts.entry(*item).or_insert(0) += 1);
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The most vacancies that can have a place, by trying everything.
    fn most(vacancies: &[Vacancy], room: &mut HashMap<Place, u32>) -> usize {
        let Some((first, rest)) = vacancies.split_first() else { return 0 };
        let mut best = most(rest, room);
        for place in &first.places {
            if room.get(place).copied().unwrap_or(0) > 0 {
                room.entry(*place).and_modify(|left| *left -= 1);
                best = best.max(1 + most(rest, room));
                room.entry(*place).and_modify(|left| *left += 1);
            }
        }
        best
    }

    #[test]
    fn whoever_can_take_a_whole_plan_takes_it() {
        let place = |who, week| Place { who, week };
        let vacancy = |plan, places: &[Place]| Vacancy { plan, places: places.to_vec() };
        let vacancies = [
            vacancy(0, &[place(1, 1), place(2, 1)]),
            vacancy(0, &[place(2, 2)]),
            vacancy(1, &[place(2, 1), place(1, 1)]),
        ];
        let room = HashMap::from([(place(1, 1), 1), (place(2, 1), 1), (place(2, 2), 1)]);
        assert_eq!(assigned(&vacancies, &room), [Some(place(2, 1)), Some(place(2, 2)), Some(place(1, 1))]);
        // Who was preferred makes room if nobody else could take another's session.
        let vacancies = [vacancy(0, &[place(1, 1), place(2, 1)]), vacancy(1, &[place(1, 1)])];
        let room = HashMap::from([(place(1, 1), 1), (place(2, 1), 1)]);
        assert_eq!(assigned(&vacancies, &room), [Some(place(2, 1)), Some(place(1, 1))]);
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_their_room_and_no_other_way_places_more(
            wishes in prop::collection::vec((0usize..3, prop::collection::btree_set((0usize..4, 0i64..2), 0..5)), 0..7),
            rooms in prop::collection::btree_map((0usize..4, 0i64..2), 0u32..3, 0..8),
        ) {
            let place = |(who, week): (usize, i64)| Place { who, week };
            let vacancies: Vec<Vacancy> = wishes.into_iter()
                .map(|(plan, places)| {
                    // A session lies in one week of each.
                    let mut places: Vec<Place> = places.into_iter().map(place).collect();
                    places.dedup_by_key(|place| place.who);
                    Vacancy { plan, places }
                })
                .collect();
            let mut room: HashMap<Place, u32> = rooms.into_iter().map(|(at, left)| (place(at), left)).collect();
            let found = assigned(&vacancies, &room);
            for (place, count) in counted(&found.iter().flatten().copied().collect::<Vec<_>>()) {
                prop_assert!(count <= room[&place]);
            }
            for (vacancy, place) in vacancies.iter().zip(&found) {
                prop_assert!(place.is_none_or(|place| vacancy.places.contains(&place)));
            }
            prop_assert_eq!(found.iter().flatten().count(), most(&vacancies, &mut room));
        }
    }
}
