//! Places of sources in the estimator, and sets of them.

/// Sources one estimator can hold.
pub const MAX_SOURCES: usize = 16;

/// The place of a source in the estimator, below [`MAX_SOURCES`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Slot(u8);

impl Slot {
    /// The first place.
    pub const FIRST: Slot = Slot(0);

    /// `None` if there are not that many places.
    pub fn new(index: usize) -> Option<Slot> {
        (index < MAX_SOURCES).then_some(Slot(index as u8))
    }

    /// The index, below [`MAX_SOURCES`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of slots.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotSet(u32);

const _: () = assert!(MAX_SOURCES <= 32, "a SlotSet has 32 bits");

impl SlotSet {
    /// Adds a slot.
    pub fn insert(&mut self, slot: Slot) {
        self.0 |= 1 << slot.index();
    }

    /// Is the slot in it?
    pub fn contains(self, slot: Slot) -> bool {
        self.0 >> slot.index() & 1 == 1
    }

    /// How many slots are in the set.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Has it none?
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// As a slice, without allocation.
    pub fn list(self) -> SlotList {
        let mut list = SlotList { slots: [Slot::FIRST; MAX_SOURCES], len: 0 };
        for slot in self.iter() {
            list.slots[list.len] = slot;
            list.len += 1;
        }
        list
    }

    /// In ascending order.
    pub fn iter(self) -> impl Iterator<Item = Slot> {
        (0..MAX_SOURCES).filter_map(Slot::new).filter(move |slot| self.contains(*slot))
    }
}

/// The members of a [`SlotSet`], in ascending order.
pub struct SlotList {
    slots: [Slot; MAX_SOURCES],
    len: usize,
}

impl std::ops::Deref for SlotList {
    type Target = [Slot];

    fn deref(&self) -> &[Slot] {
        &self.slots[..self.len]
    }
}

impl std::fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(Slot::index)).finish()
    }
}
