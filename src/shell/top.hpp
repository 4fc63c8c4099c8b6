// SPDX-License-Identifier: GPL-3.0-or-later
// What a VM does at the moment, as far as QMP tells: rates of its disks, of its processors' exits (KVM only),
// the balloon. Fed with replies, drawn as lines; it neither asks nor looks at a clock.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.hpp"
#include "shell/frame.hpp"

namespace qvm::shell {

struct TopQuery {
    std::string command;
    std::string arguments;  ///< a JSON object
};

class Top {
  public:
    /// How many values of each rate are kept for its curve.
    explicit Top(std::size_t samples = 240) : samples_(samples) {}

    /// What to ask in each round (once a second, say). What this QEMU could not answer is not asked again.
    std::vector<TopQuery> queries() const;
    /// The value of "return", or null when the command failed; `when` in microseconds of any steady clock.
    void absorb(std::string_view command, const Json* reply, std::int64_t when);
    /// At most `rows` lines. Where there is no room for all, what never moved is left out first.
    std::vector<Line> lines(std::size_t columns, std::size_t rows) const;

  private:
    enum class Unit { Bytes, BytesPerSecond, PerSecond };
    struct Series {
        std::string subject;  ///< "disk0", "vCPU 1"
        std::string what;     ///< "read", "exits"
        Unit unit = Unit::PerSecond;
        std::optional<double> counter;  ///< the last value of what only grows
        std::int64_t counted = 0;       ///< when that was
        std::deque<double> values;
        double most = 0;
        bool fresh = false;  ///< met in the reply that is being read
    };
    using Group = std::vector<Series>;  ///< of one command, in the order of its replies

    Series& series(Group& group, const std::string& subject, const char* what, Unit unit);
    void count(Series& series, double counter, std::int64_t when) const;
    void keep(Series& series, double value) const;
    void absorb_blocks(const Json& reply, std::int64_t when);
    void absorb_exits(const Json& reply, std::int64_t when);
    void absorb_cpus(const Json& reply);

    Line headline() const;
    std::vector<const Series*> chosen(std::size_t room) const;
    Line draw(const Series& series, std::size_t label_width, std::size_t columns) const;
    std::vector<std::string> remarks() const;

    std::size_t samples_;
    Group blocks_, exits_, balloon_;
    std::map<std::string, std::string, std::less<>> cpus_;  ///< QOM path -> "vCPU 1"
    std::string iothreads_;
    std::string status_;
    bool no_balloon_ = false, no_exits_ = false, no_iothreads_ = false;
};

}  // namespace qvm::shell
