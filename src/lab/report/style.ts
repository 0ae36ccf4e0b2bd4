/** The look of a report: one column of text, figures as wide as they are, light and dark, and paper. */
export const reportStyle = `
:root{color-scheme:light dark;--ink:#1c1f24;--soft:#5d6570;--line:#d9dde3;--ground:#fff;--card:#f6f7f9;--accent:#0072b2;--good:#00805e;--bad:#c24f00;--idle:#6b7280}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa3ae;--line:#2e343c;--ground:#111418;--card:#191d23;--accent:#5cb3e6;--good:#3cc79d;--bad:#f08a4b;--idle:#9aa3ae}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.6 system-ui,-apple-system,"Segoe UI","DejaVu Sans",Helvetica,Arial,sans-serif}
main{max-width:60rem;margin:0 auto;padding:3.2rem 1.5rem 4rem}
header h1{font-size:2.1rem;line-height:1.2;margin:0 0 .5rem;letter-spacing:-.015em;text-wrap:balance}
header .by{color:var(--soft);margin:0 0 1.2rem}
.strip{display:flex;flex-wrap:wrap;gap:.5rem;margin:0 0 2rem;padding:0;list-style:none}
.strip li{background:var(--card);border:1px solid var(--line);border-radius:999px;padding:.15rem .75rem;font-size:.86rem;color:var(--soft)}
.strip b{color:var(--ink);font-weight:600}
h2{font-size:1.4rem;margin:2.8rem 0 .6rem;letter-spacing:-.01em;line-height:1.25}
h3{font-size:1.1rem;margin:2rem 0 .4rem}
p,ul,ol{max-width:44rem}
a{color:var(--accent)}
figure{margin:1.6rem 0 1.8rem;break-inside:avoid}
figure .view{overflow-x:auto}
figure svg,figure img,figure video{max-width:100%;height:auto}
figure img,figure video{border-radius:6px}
figure .view svg [fill="#757575"]{fill:var(--soft)}
figure .view svg .role-title-text [fill="#757575"]{fill:var(--ink)}
.scroll-x{overflow-x:auto}
figcaption{color:var(--soft);font-size:.9rem;max-width:44rem;margin-top:.35rem}
figcaption b{color:var(--ink);font-weight:600}
details{margin:.4rem 0;font-size:.9rem}
details>summary{cursor:pointer;color:var(--accent);width:max-content;max-width:100%}
details[open]>summary{margin-bottom:.4rem}
.scroll{overflow:auto;max-height:22rem;border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;font-size:.92rem;margin:.6rem 0}
.scroll table{margin:0;font-size:.82rem}
th,td{padding:.34rem .8rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
thead th{border-bottom:1.5px solid var(--soft);font-weight:600;white-space:nowrap}
tbody tr:last-child td{border-bottom:1.5px solid var(--soft)}
.scroll thead th{position:sticky;top:0;background:var(--card)}
caption{color:var(--soft);padding:.4rem 0}
td{font-variant-numeric:tabular-nums}
pre,code{font-family:ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;font-size:.86em}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.75rem 1rem;overflow-x:auto;line-height:1.5;white-space:pre-wrap;overflow-wrap:anywhere}
code{background:var(--card);border-radius:4px;padding:.05em .3em}
pre code{background:none;padding:0}
math{font-family:"STIX Two Math","Latin Modern Math","Cambria Math",math;font-size:1.08em}
math[display=block]{margin:1rem 0;font-size:1.15em;max-width:44rem;overflow-x:auto}
code.tex{background:none;font-style:italic}
code.tex.block{display:block;margin:1rem 0}
pre.error{border-color:var(--bad)}
.note{color:var(--soft);border-left:3px solid var(--line);padding:.1rem .9rem;margin:1rem 0}
.claims{display:grid;gap:.7rem;margin:1rem 0;padding:0;list-style:none}
.claim{background:var(--card);border:1px solid var(--line);border-left:5px solid var(--idle);border-radius:8px;padding:.75rem 1.1rem;margin:.9rem 0;break-inside:avoid}
.claims .claim{margin:0}
.claim.PASS{border-left-color:var(--good)}
.claim.FAIL{border-left-color:var(--bad)}
.claim .verdict{font-weight:700;font-size:.82rem;letter-spacing:.05em;color:var(--idle);margin-right:.6rem}
.claim.PASS .verdict{color:var(--good)}
.claim.FAIL .verdict{color:var(--bad)}
.claim .numbers{color:var(--soft);font-size:.9rem;margin-top:.2rem}
.provenance{margin-top:3.5rem;border-top:1px solid var(--line);padding-top:.4rem;font-size:.9rem}
.provenance h2{font-size:1.15rem;margin-top:1.4rem}
.provenance td:first-child,.provenance th:first-child{color:var(--soft);white-space:nowrap;font-weight:400}
.provenance td{overflow-wrap:anywhere}
.tip{position:fixed;left:0;top:0;z-index:9;pointer-events:none;background:var(--ground);color:var(--ink);border:1px solid var(--line);border-radius:6px;box-shadow:0 4px 18px #0003;padding:.4rem .65rem;font-size:.8rem;line-height:1.45}
.tip div{display:flex;gap:.9rem;justify-content:space-between}
.tip span{color:var(--soft)}
.tip b{font-weight:600}
.tip[hidden]{display:none}
@media print{
:root{--ink:#000;--soft:#444;--line:#bbb;--ground:#fff;--card:#f5f5f5;--accent:#000;--good:#00664b;--bad:#a34300;--idle:#555}
body{font-size:10.5pt}
main{max-width:none;padding:0}
.data,.tip,.code{display:none}
h2,h3{break-after:avoid}
.scroll{max-height:none;overflow:visible}
@page{margin:18mm 16mm}
}`.trim();
