import type { EChartsCoreOption } from 'echarts/core';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Mounted } from './chart.ts';

/** Colours that can be told apart without seeing red and green (after Okabe and Ito), on each ground. */
export interface Palette {
  ink: string;
  soft: string;
  line: string;
  card: string;
  good: string;
  bad: string;
  band: string;
  series: string[];
}

const light: Palette = {
  ink: '#1b1d1f',
  soft: '#5a6066',
  line: '#dcdedb',
  card: '#ffffff',
  good: '#0b6b45',
  bad: '#b3261e',
  band: 'rgba(28, 95, 168, 0.07)',
  series: ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#a87900', '#4aa3d8', '#7a5195', '#6b6b6b'],
};
const dark: Palette = {
  ink: '#e9ebec',
  soft: '#a3abb2',
  line: '#343a40',
  card: '#1d2125',
  good: '#6fcf9f',
  bad: '#ff9188',
  band: 'rgba(130, 182, 238, 0.09)',
  series: ['#56b4e9', '#e69f00', '#2fc49a', '#e39cc4', '#f0e442', '#ff8a4c', '#a9b4ff', '#b9bfc4'],
};

const darkness = matchMedia('(prefers-color-scheme: dark)');

export function usePalette(): Palette {
  const [isDark, set] = useState(darkness.matches);
  useEffect(() => {
    const onChange = () => set(darkness.matches);
    darkness.addEventListener('change', onChange);
    return () => darkness.removeEventListener('change', onChange);
  }, []);
  return isDark ? dark : light;
}

/** Whether an element is near what can be seen; charts elsewhere are neither asked for nor drawn. */
export function useSeen() {
  const ref = useRef<HTMLDivElement>(null);
  const [seen, set] = useState(false);
  useEffect(() => {
    if (!ref.current) return;
    const observer = new IntersectionObserver(([entry]) => set(entry?.isIntersecting ?? false), {
      rootMargin: '200px',
    });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return { ref, seen };
}

/**
 * A chart. Its content is told in words beside it or in `label`: a picture has none.
 *
 * @param option null while there is nothing to draw
 */
export function Chart({
  option,
  label,
  height,
}: {
  option: EChartsCoreOption | null;
  label: string;
  height: number;
}) {
  const ref = useRef<HTMLDivElement>(null);
  const mounted = useRef<Mounted>(undefined);
  const wanted = useRef(option);
  wanted.current = option;
  useEffect(() => {
    let live = true;
    // The library is most of the page's code; the text is there before it.
    void import('./chart.ts').then(({ mount }) => {
      if (!live || !ref.current) return;
      mounted.current = mount(ref.current);
      if (wanted.current) mounted.current.set(wanted.current);
    });
    return () => {
      live = false;
      mounted.current?.dispose();
      mounted.current = undefined;
    };
  }, []);
  useEffect(() => {
    if (option) mounted.current?.set(option);
  }, [option]);
  return <div ref={ref} class="chart" role="img" aria-label={label} style={{ height: `${height}px` }} />;
}
