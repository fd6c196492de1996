import Glibc

/// The `date` field's value, made at most once a second.
struct DateHeader {
  let bytes: [UInt8]
  private let made: Int

  init() {
    let parts = SystemCalls.calendarTime().parts
    bytes = Self.format(parts)
    made = SystemCalls.monotonicNanoseconds()
  }

  func needsRefresh(now: Int) -> Bool { now - made >= 1_000_000_000 }

  /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
  static func format(_ time: tm) -> [UInt8] {
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let day = "\(days[Int(time.tm_wday)]), \(two(time.tm_mday)) \(months[Int(time.tm_mon)])"
    let clock = "\(two(time.tm_hour)):\(two(time.tm_min)):\(two(time.tm_sec))"
    return Array("\(day) \(time.tm_year + 1900) \(clock) GMT".utf8)
  }
}
