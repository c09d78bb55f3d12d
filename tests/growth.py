"How the cost of a function grows with its input, told by ratios and not by a clock that a busy machine slows down."
import time

floor = .01 # Seconds of CPU below which a ratio says nothing


def _cost(f, arg):
    t = time.process_time()
    f(arg)
    return time.process_time()-t


def steepness(
    f, # Called with texts
    make, # Makes a text of about the length that it is given
    upto=300_000, # Longest text
)->float: # Growth of the cost when the text doubles, the smaller one of two doublings in a row: 2 is linear, 4 quadratic
    "The steepest growth on the way from short texts to long ones; ends early once it is beyond doubt"
    n, costs, worst = 128, [], 0.
    while n <= upto:
        costs.append(_cost(f, make(n)))
        if len(costs) > 2 and costs[-3] > floor:
            worst = max(worst, min(costs[-1]/costs[-2], costs[-2]/costs[-3]))
            if worst > 3.2: return worst
        n *= 2
    return worst
