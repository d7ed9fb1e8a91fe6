# Promise model: the simulator's kernel clock does what this kernel does with the same commands at the same moments.
fault 0s
clockmodel >/tmp/model <<'END'
quiet: 3 end
time-constant-0: 0.5 steer 0 1ms 0; 2.5 read; 5 end
time-constant-1: 0.3 steer 0 -1ms 1; 2.5 read; 4 end
time-constant-2: 0.7 steer 0 1ms 2; 2.5 read; 4 end
time-constant-4: 0.5 steer 0 10ms 4; 2.5 read; 4 end
time-constant-6: 0.5 steer 0 100ms 6; 2.5 read; 4 end
time-constant-10: 0.5 steer 0 500ms 10; 2.5 read; 4 end
renewed-with-zero-early: 0.5 steer 0 10ms 0; 2.05 steer 0 0s 0; 2.5 read; 4 end
renewed-with-zero: 0.5 steer 0 10ms 0; 1.5 steer 0 0s 0; 2.5 read; 4 end
renewed-with-zero-late: 0.5 steer 0 10ms 0; 1.95 steer 0 0s 0; 2.5 read; 4 end
renewed-with-rest-early: 0.5 steer 0 10ms 0; 2.05 steer 0 5.625ms 0; 2.5 read; 5 end
renewed-with-rest: 0.5 steer 0 10ms 0; 1.5 steer 0 7.5ms 0; 2.5 read; 5 end
renewed-with-rest-late: 0.5 steer 0 10ms 0; 1.95 steer 0 7.5ms 0; 2.5 read; 5 end
renewed-opposite-early: 0.5 steer 0 10ms 0; 2.05 steer 0 -10ms 0; 2.5 read; 5 end
renewed-opposite: 0.5 steer 0 10ms 0; 1.5 steer 0 -10ms 1; 2.5 read; 5 end
renewed-opposite-late: 0.5 steer 0 10ms 0; 1.95 steer 0 -10ms 0; 2.5 read; 5 end
frequency: 0.5 steer 100 0s 0; 1.25 steer -100 0s 0; 2.6 steer 0.01 0s 0; 4 steer 7 0s 0; 6 end
frequency-in-slew: 0.5 steer 100 10ms 0; 1.5 steer -100 7.5ms 1; 5 end
tick: 0.5 steer 499.9 0s 0; 1.9 steer 549 0s 0; 3.3 steer -549 0s 0; 5 end
large-tick: 0.5 steer -20000 0s 0; 2.2 steer 100000 0s 0; 4 steer 0 0s 0; 6 end
half-a-second: 0.5 steer 0 500ms 0; 10 end
half-a-second-back: 0.5 steer 0 -500ms 0; 10 end
step-in-slew: 0.5 steer 0 10ms 0; 2.5 step 0.3s; 2.9 read; 4 end
step-back-in-slew: 0.5 steer 0 10ms 0; 2.5 step -0.1s; 3.1 steer 0 1ms 0; 6 end
100ns: 0.5 steer 0 100ns 0; 1.6 read; 5 end
30ns: 0.5 steer 0 -30ns 0; 1.6 read; 5 end
idle idle every=700ms: 0.45 steer 0 10ms 0; 10 end
END
verdict=$?
cat /tmp/model
if [ $verdict = 0 ]; then
    passed model "kernel and simulator agree in $(grep -c '^@FIGURE' /tmp/model) scripts"
else
    failed model "kernel and simulator differ in $(grep -c '^@FAIL' /tmp/model) scripts"
fi
