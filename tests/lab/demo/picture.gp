# SPDX-License-Identifier: Apache-2.0
# Draws the demo's result: one panel per model, arms side by side. Variables: data (a file as `table` makes it) and
# picture (the SVG to write).

set terminal svg size 1200,460 font "DejaVu Sans,13" background "white" dashed
set output picture
set datafile separator "\t"
set datafile missing "-"

set style fill solid noborder
set boxwidth 0.36
set border 3 lc rgb "#606060"
set tics nomirror textcolor rgb "#303030"
set xtics scale 0 offset 0,-0.2
set grid ytics lc rgb "#e4e4e4" lw 1
set xrange [-0.6:3.6]
set key noautotitle
set bmargin 3.5
set tmargin 5

# alone, ungoverned, static, modelgov; the pale one is the median
solid(arm) = arm eq "alone" ? 0x7f8c8d : arm eq "ungoverned" ? 0xc0392b : arm eq "static" ? 0x2874a6 : 0x1e8449
pale(arm)  = arm eq "alone" ? 0xcfd5d6 : arm eq "ungoverned" ? 0xecc0bb : arm eq "static" ? 0xb9d4e6 : 0xb4d9c1
place(arm) = arm eq "alone" ? 0 : arm eq "ungoverned" ? 1 : arm eq "static" ? 2 : 3
# where the number of a bar stands: not on the budget's line
above(v)   = v <= budget && v > budget - 0.065 * top ? budget : v

set xtics ("alone" 0, "ungoverned" 1, "static\nweights" 2, "modelgov" 3)

set multiplot layout 1,3 margins 0.055,0.985,0.15,0.76 spacing 0.055
set label 1 "Three models on one host" at screen 0.5,0.95 center font ",19" tc rgb "#202020"

do for [panel = 1:2] {
	name = panel == 1 ? "ocr" : "speech"
	first = panel == 1 ? 2 : 6
	stats data using (column(first + 1)) every ::1 nooutput
	top = STATS_max
	stats data using (column(first + 3)) every ::1 nooutput
	budget = STATS_max
	set title (panel == 1 ? "ocr (critical)" : "speech (standard)") . "\n{/*0.85 request latency, ms: p50 pale, p99 solid}" offset 0,0.3
	top = top > budget ? top : budget
	set yrange [0:top * 1.12]
	set label 2 sprintf("budget %.0f ms", budget) at -0.55,budget left offset 0,0.6 font ",11" tc rgb "#303030" front
	plot data using (place(strcol(1)) - 0.2):(column(first)):(pale(strcol(1))) every ::1 with boxes lc rgb variable, \
	     data using (place(strcol(1)) + 0.2):(column(first + 1)):(solid(strcol(1))) every ::1 with boxes lc rgb variable, \
	     budget with lines dt 2 lw 1.5 lc rgb "#303030", \
	     data using (place(strcol(1)) - 0.2):(above(column(first))):(sprintf("%.0f", column(first))) every ::1 with labels offset 0,0.6 font ",11" tc rgb "#505050", \
	     data using (place(strcol(1)) + 0.2):(above(column(first + 1))):(sprintf("%.0f", column(first + 1))) every ::1 with labels offset 0,0.6 font ",11" tc rgb "#202020"
	unset label 1
}

unset label 2
set boxwidth 0.5
set title "batch job\n{/*0.85 pages per second; line: what the other two leave}" offset 0,0.3
set yrange [0:*]
plot data using (place(strcol(1))):10:(solid(strcol(1))) every ::1 with boxes lc rgb variable, \
     data using (place(strcol(1)) - 0.32):12:(0.64):(0) every ::1 with vectors nohead dt 2 lw 1.5 lc rgb "#303030", \
     data using (place(strcol(1))):10:(sprintf("%.1f", column(10))) every ::1 with labels offset 0,0.9 font ",11" tc rgb "#202020"
unset multiplot
