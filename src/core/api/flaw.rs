//! Why a source is of no use: in the engine, in the log, and in slewd's own report.

/// Why a source is of no use at present.
///
/// The code is the place in [`Flaw::ALL`], counted from 1; 0 is none. Codes keep their meaning: new flaws are appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// The resolver finds no address for the name of the source.
    NoAddress,
    /// All places for sources are taken.
    NoPlace,
    /// Somebody set the source offline.
    Offline,
    /// There is no route to the source.
    NoRoute,
    /// Too many files are open here for another socket.
    NoDescriptors,
    /// This system does not permit sending to the source.
    NotPermitted,
    /// Requests to the source cannot be sent for another reason.
    Unsent,
    /// The source does not answer.
    Silent,
    /// The source's address answers that nothing listens at the port.
    PortClosed,
    /// What comes from the source's address are no replies to our requests.
    Senseless,
    /// The source does not know the time: stratum 16, or the leap indicator says so.
    Unsynchronised,
    /// The source refuses to serve us: kiss-o'-death DENY or RSTR.
    Denied,
    /// The source says nothing but that it wants to be asked less: kiss-o'-death RATE.
    RateLimited,
    /// The source's replies are authenticated in another way than ours, or not as configured.
    Authentication,
    /// By the source's own word its time may be wrong by 16 s or more.
    RootDistance,
    /// The source's replies take too long for `maxdelay` and the like.
    Delay,
    /// The times in the source's replies are impossible.
    ImpossibleTimes,
    /// The source's replies repeat the same times.
    Repetition,
    /// The source's stratum is outside `minstratum` to `maxstratum`.
    BadStratum,
    /// The source's root distance exceeds `maxdistance`.
    TooDistant,
    /// The source's jitter exceeds `maxjitter`.
    TooJittery,
    /// The source contradicts the majority.
    Falseticker,
    /// The source has the option `noselect`, or another means as much.
    NotToBeSelected,
    /// The local address, port or device that the configuration names cannot be used.
    LocalEnd,
    /// The source is not asked, for its answers could not be authenticated as its line wants.
    Unprotected,
    /// The source is not asked, for the key of its line is not in the key file.
    KeyMissing,
    /// NTS keys for the source are being established.
    KeysAwaited,
    /// The server that establishes NTS keys for the source cannot be reached.
    KeyServerAway,
    /// The server that establishes NTS keys for the source does not speak the protocol as it should.
    KeyEstablishment,
    /// The certificate of the server that establishes NTS keys for the source is not accepted.
    Certificate,
    /// The source's device cannot be opened, or not be read any more.
    DeviceAbsent,
    /// The source's device stands still.
    DeviceFrozen,
    /// The source's device runs at another speed than time.
    DeviceRate,
    /// The source's device has jumped from UTC to TAI.
    DeviceTai,
    /// No source says which seconds its pulses mean.
    NoSeconds,
}

impl Flaw {
    /// Somebody should see to it: waiting does not help. Others come and go with the network, or are meant to be so.
    pub fn calls_for_action(self) -> bool {
        match self {
            Flaw::Offline
            | Flaw::NoRoute
            | Flaw::Silent
            | Flaw::PortClosed
            | Flaw::RateLimited
            | Flaw::TooDistant
            | Flaw::TooJittery
            | Flaw::Falseticker
            | Flaw::NotToBeSelected
            | Flaw::KeysAwaited => false,
            Flaw::NoAddress
            | Flaw::NoPlace
            | Flaw::NoDescriptors
            | Flaw::NotPermitted
            | Flaw::Unsent
            | Flaw::Senseless
            | Flaw::Unsynchronised
            | Flaw::Denied
            | Flaw::Authentication
            | Flaw::RootDistance
            | Flaw::Delay
            | Flaw::ImpossibleTimes
            | Flaw::Repetition
            | Flaw::BadStratum
            | Flaw::LocalEnd
            | Flaw::Unprotected
            | Flaw::KeyMissing
            | Flaw::KeyServerAway
            | Flaw::KeyEstablishment
            | Flaw::Certificate
            | Flaw::DeviceAbsent
            | Flaw::DeviceFrozen
            | Flaw::DeviceRate
            | Flaw::DeviceTai
            | Flaw::NoSeconds => true,
        }
    }

    /// All, in the order of their codes.
    pub const ALL: [Flaw; 35] = [
        Flaw::NoAddress,
        Flaw::NoPlace,
        Flaw::Offline,
        Flaw::NoRoute,
        Flaw::NoDescriptors,
        Flaw::NotPermitted,
        Flaw::Unsent,
        Flaw::Silent,
        Flaw::PortClosed,
        Flaw::Senseless,
        Flaw::Unsynchronised,
        Flaw::Denied,
        Flaw::RateLimited,
        Flaw::Authentication,
        Flaw::RootDistance,
        Flaw::Delay,
        Flaw::ImpossibleTimes,
        Flaw::Repetition,
        Flaw::BadStratum,
        Flaw::TooDistant,
        Flaw::TooJittery,
        Flaw::Falseticker,
        Flaw::NotToBeSelected,
        Flaw::LocalEnd,
        Flaw::Unprotected,
        Flaw::KeyMissing,
        Flaw::KeysAwaited,
        Flaw::KeyServerAway,
        Flaw::KeyEstablishment,
        Flaw::Certificate,
        Flaw::DeviceAbsent,
        Flaw::DeviceFrozen,
        Flaw::DeviceRate,
        Flaw::DeviceTai,
        Flaw::NoSeconds,
    ];
}
